import type { Logger } from 'pino'
import { type Lineage, LineageError } from '../lineage/index.ts'

/** Between two bundles: what this takes of a processor is below a hundredth. Ten million entries take less than three hours. */
const STEP_MS = 250
/** From the end of one round to the beginning of the next. */
const REST_MS = 24 * 60 * 60_000

/**
 * Reads the whole log anew, slowly and again and again: a start looks at names and at the right edge, and most of a long log is read by nobody for months.
 * Damage then shows while a copy of the file may still be had. What it finds ends the lineage (`Lineage.failed`), and with it the
 * daemon.
 */
export class Scrub {
  readonly #lineage: Pick<Lineage, 'bundles' | 'recheck'>
  readonly #log: Pick<Logger, 'warn' | 'info'>
  readonly #stepMs: number
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  /** Bundles that this round has read, and where it began: anywhere, so that daemons that live less than a round reach all in the long run. */
  #done = 0
  #from = 0
  #stopped = false

  constructor(
    lineage: Pick<Lineage, 'bundles' | 'recheck'>,
    log: Pick<Logger, 'warn' | 'info'>,
    stepMs = STEP_MS,
  ) {
    this.#lineage = lineage
    this.#log = log
    this.#stepMs = stepMs
  }

  start(): void {
    this.#from = Math.floor(Math.random() * this.#lineage.bundles)
    this.#wait(this.#stepMs)
  }

  /** Ends the round and waits for the bundle that is being read. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #wait(ms: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#running = this.#step()
    }, ms).unref()
  }

  async #step(): Promise<void> {
    const { bundles } = this.#lineage
    if (this.#done >= bundles) {
      if (bundles > 0)
        this.#log.info({ event: 'lineage-whole', bundles }, 'the lineage has been read anew and is whole')
      this.#done = 0
      this.#wait(REST_MS)
      return
    }
    try {
      await this.#lineage.recheck((this.#from + this.#done) % bundles)
    } catch (error) {
      this.#log.warn(
        {
          event: 'lineage-unreadable',
          ...(error instanceof LineageError && { code: error.code }),
          err: error,
        },
        'a part of the lineage cannot be read',
      )
      if (error instanceof LineageError && error.code === 'LINEAGE_BROKEN') return
      // A disk that does not give a file now may give it in the next round.
    }
    this.#done++
    this.#wait(this.#stepMs)
  }
}
