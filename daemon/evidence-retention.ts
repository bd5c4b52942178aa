import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import { RevocationSet } from '../authorization/index.ts'
import { type Lineage, Retention, type RetentionLimits } from '../lineage/index.ts'
import type { Recorder } from './recorder.ts'
import type { Sealing } from './sealing.ts'

/** How often it is looked whether the store has grown beyond its bound: what comes in between is beyond it for that long. */
const LOOK_MS = 60_000
/** When that is not known and has to be counted first, it waits until the start of the daemon is over. */
const FIRST_LOOK_MS = 15_000
/** When nothing more may be dropped, that is looked at again after this. */
const STUCK_MS = 600_000
/** How long a run waits for the checkpoint over what it has said; a TPM that is gone leaves the rest to a later run. */
const SEAL_MS = 30_000
/** Rest after each thousand entries that are read: the log is gone through at a quarter of one processor at most. */
const PAUSE_MS = 10
/** What is younger may still be on its way into an entry, whatever the configuration says. */
const LEAST_AGE_MS = 3_600_000

export interface EvidenceRetentionOptions {
  readonly lineage: Lineage
  readonly recorder: Recorder
  readonly sealing: Pick<Sealing, 'soon'>
  /** Looked at anew each time. */
  readonly limits: RetentionLimits
  readonly log: Logger
  /** Called when the store comes to be beyond its bound for good, or within it again. */
  readonly onChange: () => void
}

/**
 * Drops evidence in the background when the store has grown beyond its bound. No request waits for it, and none is refused for it: what has to be kept
 * is kept, and that the bound does not hold is said in log and status.
 */
export class EvidenceRetention {
  readonly #o: EvidenceRetentionOptions
  readonly #retention: Retention
  readonly #stop: AbortController
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #notBeforeMs = 0
  #told = ''
  /** Whether the store is beyond its bound, and nothing more may be dropped. */
  overBound = false

  static async open(options: EvidenceRetentionOptions): Promise<EvidenceRetention> {
    const { lineage, recorder, sealing, limits } = options
    const stop = new AbortController()
    const retention = await Retention.open(lineage, {
      limits: () => ({ maxBytes: limits.maxBytes, minAgeMs: Math.max(LEAST_AGE_MS, limits.minAgeMs) }),
      // Each start puts it, and the decisions before the first revocation name it.
      spared: new Set([RevocationSet.empty.digest]),
      record: event => recorder.record(event),
      sealed: index => sealed(lineage, sealing, index, stop.signal),
      wallMs: () => Date.now(),
      pauseMs: PAUSE_MS,
      stop: stop.signal,
    })
    return new EvidenceRetention(options, retention, stop)
  }

  private constructor(options: EvidenceRetentionOptions, retention: Retention, stop: AbortController) {
    this.#o = options
    this.#retention = retention
    this.#stop = stop
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#look()
      this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
    }, FIRST_LOOK_MS).unref()
  }

  /** Ends what runs, and writes down what is known of the store. Nothing is put into it any more. Never rejects. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#stop.abort()
    await this.#running
    await this.#retention
      .close()
      .catch(err => this.#o.log.warn({ err }, 'the bookkeeping of the evidence was not written'))
  }

  /** Runs if there is anything to do; resolves when that is over. Never rejects. */
  #look(): void {
    if (this.#running !== undefined || !this.#retention.isDue) return
    if (this.overBound && performance.now() < this.#notBeforeMs) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
    })
  }

  async #run(): Promise<void> {
    const { lineage, log, limits } = this.#o
    try {
      const { dropped, bytes, unnamed, overBound } = await this.#retention.run()
      this.#told = ''
      if (unnamed > 0)
        log.info({ event: 'evidence-unnamed', count: unnamed }, 'blobs that no entry names were removed')
      if (dropped > 0)
        log.info({ event: 'evidence-dropped', count: dropped, bytes }, 'old evidence is not kept any longer')
      this.#notBeforeMs = performance.now() + STUCK_MS
      if (overBound === this.overBound) return
      this.overBound = overBound
      const { maxBytes } = limits
      if (overBound)
        log.warn(
          { event: 'evidence-over-bound', bytes: lineage.evidence.bytes, maxBytes },
          'the evidence is beyond its bound, and all of it has to be kept',
        )
      else
        log.info(
          { event: 'evidence-within-bound', bytes: lineage.evidence.bytes, maxBytes },
          'the evidence is within its bound again',
        )
      this.#o.onChange()
    } catch (err) {
      if (this.#stop.signal.aborted) return
      // It is tried again every minute; what stays as it was is not told again.
      if (String(err) !== this.#told)
        log.warn({ event: 'evidence-not-dropped', err }, 'old evidence was not dropped')
      this.#told = String(err)
    }
  }
}

/** Asks for a checkpoint over an entry and waits a while for it. */
async function sealed(
  lineage: Lineage,
  sealing: Pick<Sealing, 'soon'>,
  index: bigint,
  signal: AbortSignal,
): Promise<boolean> {
  const isOver = () => BigInt(lineage.latestCheckpoint()?.size ?? 0) > index
  if (isOver()) return true
  sealing.soon()
  for (const endMs = performance.now() + SEAL_MS; performance.now() < endMs && !isOver(); ) {
    await pause(100, undefined, { signal })
  }
  return isOver()
}
