import type { Logger } from 'pino'
import {
  type FreshCheckpoint,
  type Lineage,
  parseCheckpoint,
  parseEvent,
  pcrsBlob,
  type SignedCheckpoint,
} from '../lineage/index.ts'
import type { Recorder } from './recorder.ts'

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
/** Whoever asks for a checkpoint gets one at once, and the next no sooner than this after it: a flood of transitions is not one of signatures. */
const SIGN_SPACING_MS = 250
/** Most entries behind the newest checkpoint that a start looks through for the one that tells of it. */
const MAX_SEARCHED = 4096n

/**
 * Signs checkpoints and moves the TPM's counter, both off the request path: a decision is durable without them, and a TPM
 * that is slow or gone delays them and nothing else. Each published checkpoint becomes an entry of the log, so that the log itself shows the line of
 * them. Those entries, and the counter's, vouch for others: they make no checkpoint due and move no counter, and a quiet host comes to rest.
 */
export class Sealing {
  readonly #lineage: Lineage
  readonly #recorder: Recorder
  readonly #options: SealingOptions
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  #counterTimer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #again = false
  #soonTimer: NodeJS.Timeout | undefined
  #stopped = false
  #signedMs = 0
  #anchoring = false
  #anchorTimer: NodeJS.Timeout | undefined
  #anchoredMs = 0
  /** Entries of this run that only vouch for others: how many there are, and the indexes of those that the newest checkpoint does not cover. */
  #vouching = 0n
  #uncovered: bigint[] = []
  /** How many entries that are no such ones there were when the counter moved. */
  #anchored = 0n
  /** Entries tell of checkpoints in the order of their sizes: those of this run come after that of the run before. */
  #started: Promise<void> = Promise.resolve()

  constructor(lineage: Lineage, recorder: Recorder, options: SealingOptions, log: Logger) {
    this.#lineage = lineage
    this.#recorder = recorder
    this.#options = options
    this.#log = log
    lineage.onPublished = checkpoint => this.#published(checkpoint)
  }

  start(): void {
    this.#lastMs = Date.now()
    this.#anchored = this.#others()
    this.#started = this.#recordNewest()
    this.retime()
  }

  /** Begins to wait anew, by the options as they are now. */
  retime(): void {
    clearInterval(this.#timer)
    clearInterval(this.#counterTimer)
    this.#timer = setInterval(() => this.#tick(), Math.min(this.#options.checkpointMs, 1000)).unref()
    this.#counterTimer = setInterval(() => void this.#anchor(), this.#options.counterMs).unref()
  }

  /**
   * Asks for a checkpoint now: after trust transitions and revocations. However many ask, one is signed at once and one after it for what came
   * meanwhile. Never rejects, never waits on the caller's behalf.
   */
  soon(): void {
    if (this.#stopped || this.#soonTimer !== undefined) return
    if (this.#running !== undefined) {
      this.#again = true
      return
    }
    const wait = this.#signedMs + SIGN_SPACING_MS - performance.now()
    if (this.#signedMs > 0 && wait > 0) {
      this.#soonTimer = setTimeout(() => {
        this.#soonTimer = undefined
        this.soon()
      }, wait).unref()
      return
    }
    this.#running = this.#sign().finally(() => {
      this.#running = undefined
      this.#signedMs = performance.now()
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

  /** Ends the timers and waits for the signature in progress. No entry tells of a checkpoint that is published from now on; the next start writes it. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    clearInterval(this.#counterTimer)
    clearTimeout(this.#anchorTimer)
    clearTimeout(this.#soonTimer)
    this.#again = false
    await this.#running
  }

  #lastMs = 0
  #told = ''

  /** Entries that the newest checkpoint does not cover, without those that only vouch for others. */
  #behind(): bigint {
    const covered = BigInt(this.#lineage.latestCheckpoint()?.size ?? 0)
    return this.#lineage.size - covered - BigInt(this.#uncovered.length)
  }

  /** All entries, without those of this run that only vouch for others. */
  #others(): bigint {
    return this.#lineage.size - this.#vouching
  }

  #tick(): void {
    const behind = this.#behind()
    const due = Date.now() - this.#lastMs >= this.#options.checkpointMs
    if (behind >= this.#options.checkpointEntries || (behind > 0n && due)) this.soon()
  }

  async #sign(): Promise<void> {
    if (this.#behind() <= 0n) return
    try {
      await this.#lineage.checkpoint()
      this.#lastMs = Date.now()
      this.#told = ''
    } catch (error) {
      // It is tried again every second; what stays as it was is not told again.
      if (String(error) !== this.#told)
        this.#log.warn({ event: 'checkpoint-failed', err: error }, 'no checkpoint was signed')
      this.#told = String(error)
    }
  }

  /** The PCR values first, since the entry names them; they are kept for a checkpoint without an entry as well. Throws nothing. */
  async #published(checkpoint: FreshCheckpoint): Promise<void> {
    this.#uncovered = this.#uncovered.filter(index => index >= BigInt(checkpoint.size))
    try {
      const pcrs = checkpoint.pcrs && (await this.#lineage.putBlob(checkpoint.pcrs))
      await this.#started
      if (!this.#stopped) await this.#record(checkpoint, pcrs)
    } catch (error) {
      this.#log.warn({ err: error }, 'a checkpoint was published, and no entry tells of it')
    }
  }

  async #record({ size, root, note }: SignedCheckpoint, pcrs: string | null): Promise<void> {
    await this.#vouch({
      type: 'checkpoint',
      size,
      root: root.toString('hex'),
      note: note.toString('base64'),
      pcrs,
    })
  }

  async #vouch(body: Parameters<Recorder['record']>[0]): Promise<void> {
    this.#uncovered.push(await this.#recorder.record(body))
    this.#vouching++
  }

  /** The newest checkpoint of the run before this one is told of now, if that one did not come to it. */
  async #recordNewest(): Promise<void> {
    const newest = this.#lineage.latestCheckpoint()
    if (newest === undefined) return
    try {
      if (await this.#isTold(newest)) return
      const digest = pcrsBlob(parseCheckpoint(newest.note))
      const isKept = digest !== null && (await this.#isKept(digest))
      await this.#record(newest, isKept ? digest : null)
    } catch (error) {
      this.#log.warn({ err: error }, 'no entry tells of the newest checkpoint')
    }
  }

  #isKept(digest: string): Promise<boolean> {
    return this.#lineage.getBlob(digest).then(
      () => true,
      () => false,
    )
  }

  /** Its entry would be behind what it covers. One that is farther behind than is looked for is taken for told: the line of checkpoints has a gap then. */
  async #isTold({ size }: SignedCheckpoint): Promise<boolean> {
    const end = this.#lineage.size
    if (end - BigInt(size) > MAX_SEARCHED) return true
    for (let from = BigInt(size); from < end; ) {
      const entries = await this.#lineage.readEntries(from, end)
      for (const { bytes } of entries) {
        const event = parseEvent(bytes)
        if (event.type === 'checkpoint' && event.size >= size) return true
      }
      from += BigInt(entries.length)
    }
    return false
  }

  async #anchor(): Promise<void> {
    const others = this.#others()
    if (others === this.#anchored || this.#anchoring) return
    this.#anchoring = true
    try {
      const value = await this.#lineage.anchor()
      this.#anchored = others
      this.#anchoredMs = Date.now()
      await this.#vouch({ type: 'counter', value: String(value) })
    } catch (error) {
      this.#log.warn({ event: 'counter-not-moved', err: error }, 'the counter was not moved')
    } finally {
      this.#anchoring = false
    }
  }
}
