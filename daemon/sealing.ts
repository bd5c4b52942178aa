import type { Logger } from 'pino'
import type { Lineage } from '../lineage/index.ts'

/** Looked at anew each time; {@link Sealing.retime} takes over what timers were set by. */
export interface SealingOptions {
  /** A checkpoint at the latest this long after an entry. */
  readonly checkpointMs: number
  /** A checkpoint at the latest after this many entries. */
  readonly checkpointEntries: bigint
  /** The TPM's counter moves this often while entries come. NV wears out; 15 minutes are the design's least often. */
  readonly counterMs: number
}

/** What forbids is anchored at once, but no more often than this: an NV index wears out at about 500,000 writes. */
const ANCHOR_SPACING_MS = 60_000

/**
 * Signs checkpoints and moves the TPM's counter, both off the request path: a decision is durable without them, and a TPM
 * that is slow or gone delays them and nothing else.
 */
export class Sealing {
  readonly #lineage: Lineage
  readonly #options: SealingOptions
  readonly #log: Logger
  readonly #onCounter: (value: bigint) => Promise<unknown>
  #timer: NodeJS.Timeout | undefined
  #counterTimer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #again = false
  #anchoredSize = 0n
  #anchoring = false
  #anchorTimer: NodeJS.Timeout | undefined
  #anchoredMs = 0

  /** @param onCounter records the counter's new value */
  constructor(
    lineage: Lineage,
    options: SealingOptions,
    log: Logger,
    onCounter: (value: bigint) => Promise<unknown>,
  ) {
    this.#lineage = lineage
    this.#options = options
    this.#log = log
    this.#onCounter = onCounter
  }

  start(): void {
    this.#anchoredSize = this.#lineage.size
    this.retime()
  }

  /** Begins to wait anew, by the options as they are now. */
  retime(): void {
    clearInterval(this.#timer)
    clearInterval(this.#counterTimer)
    this.#timer = setInterval(() => void this.#tick(), Math.min(this.#options.checkpointMs, 1000)).unref()
    this.#counterTimer = setInterval(() => void this.#anchor(), this.#options.counterMs).unref()
  }

  /** Asks for a checkpoint now: after trust transitions and revocations. Never rejects, never waits on the caller's behalf. */
  soon(): void {
    if (this.#running !== undefined) {
      this.#again = true
      return
    }
    this.#running = this.#sign().finally(() => {
      this.#running = undefined
      if (!this.#again) return
      this.#again = false
      this.soon()
    })
  }

  /**
   * Asks for a checkpoint and for the counter to move: after what a roll-back of the files must not undo (a revocation, FAILED). At the latest
   * after a minute, however many ask.
   */
  anchorSoon(): void {
    this.soon()
    if (this.#anchorTimer !== undefined) return
    const wait = Math.max(0, this.#anchoredMs + ANCHOR_SPACING_MS - Date.now())
    this.#anchorTimer = setTimeout(() => {
      this.#anchorTimer = undefined
      void this.#anchor()
    }, wait).unref()
  }

  /** Ends the timers and waits for the signature in progress. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    clearInterval(this.#counterTimer)
    clearTimeout(this.#anchorTimer)
    this.#again = false
    await this.#running
  }

  #lastMs = 0
  #told = ''

  #tick(): void {
    const behind = this.#lineage.size - BigInt(this.#lineage.latestCheckpoint()?.size ?? 0)
    const due = Date.now() - this.#lastMs >= this.#options.checkpointMs
    if (behind >= this.#options.checkpointEntries || (behind > 0n && due)) this.soon()
  }

  async #sign(): Promise<void> {
    try {
      await this.#lineage.checkpoint()
      this.#lastMs = Date.now()
      this.#told = ''
    } catch (error) {
      // It is tried again every second; what stays as it was is not told again.
      if (String(error) !== this.#told) this.#log.warn({ err: error }, 'no checkpoint was signed')
      this.#told = String(error)
    }
  }

  async #anchor(): Promise<void> {
    const { size } = this.#lineage
    if (size === this.#anchoredSize || this.#anchoring) return
    this.#anchoring = true
    try {
      await this.#onCounter(await this.#lineage.anchor())
      // The entry about the counter itself does not move it again; what came in beside it does.
      this.#anchoredSize = size + 1n
      this.#anchoredMs = Date.now()
    } catch (error) {
      this.#log.warn({ err: error }, 'the counter was not moved')
    } finally {
      this.#anchoring = false
    }
  }
}
