import { setImmediate, setTimeout } from 'node:timers/promises'
import type { Logger } from 'pino'
import { ClockWatch, type UseTable } from '../../authorization/index.ts'
import {
  type Lineage,
  LineageError,
  MAX_BLOB_BYTES,
  parseEvent,
  SNAPSHOT_LAG,
  snapshotPieces,
  Tally,
} from '../../lineage/index.ts'
import type { EventBody, Recorder } from '../recorder.ts'
import { newestSnapshot } from './resume.ts'

/** Entries after which there is another snapshot: as many as a start reads in some tenths of a second. More where a snapshot is large, so that they stay small beside the log. */
const LEAST_ENTRIES = 8192
const MOST_ENTRIES = 32_768
const SNAPSHOT_BYTES_PER_ENTRY = 256
/** Entries that are parsed without anybody else having a turn: some tenths of a millisecond. */
const AT_ONCE = 16
/** Entries that are read at once, and how long the rest of the daemon has to itself after them. */
const READ_AT_ONCE = 256n
const REST_MS = 2
/** How often it is looked whether one is due. */
const LOOK_MS = 1000
/** What may come in while a snapshot is made. With more it is not written: whoever verifies has to bear it in mind. */
const MOST_BEHIND = BigInt(SNAPSHOT_LAG)

export interface SnapshotsOptions {
  readonly lineage: Lineage
  readonly recorder: Pick<Recorder, 'record'>
  readonly uses: Pick<UseTable, 'forgetBefore'>
  readonly log: Pick<Logger, 'warn' | 'debug'>
  /** Entries after which there is another. Left out: as many as fit its size. */
  readonly everyEntries?: number
}

/**
 * Writes snapshots, off the request path: what the entries of the log add up to, read from the log itself, a few entries at a time. A start
 * reads the newest and what came after it; whoever verifies the log adds up all.
 */
export class Snapshots {
  readonly #o: SnapshotsOptions
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  /** Where the next one begins to be due. */
  #nextAt = 0n
  #told = ''

  constructor(options: SnapshotsOptions) {
    this.#o = options
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
  }

  /** Ends what is going on. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopping.abort()
    await this.#running
  }

  /** Writes one now. Never rejects: without it, the next start reads more of the log. */
  make(): Promise<void> {
    this.#running ??= this.#make()
      .catch(error => {
        if (this.#stopping.signal.aborted) return
        // It is tried again after as many entries; what stays as it was is not told again.
        if (String(error) !== this.#told)
          this.#o.log.warn({ event: 'snapshot-failed', err: error }, 'no snapshot was written')
        this.#told = String(error)
      })
      .finally(() => {
        this.#running = undefined
      })
    return this.#running
  }

  #look(): void {
    if (this.#running === undefined && this.#o.lineage.size >= this.#nextAt) void this.make()
  }

  async #make(): Promise<void> {
    const { lineage, recorder, uses, log } = this.#o
    const { size } = lineage
    const tally = (await newestSnapshot(lineage, true)) ?? new Tally(state => new ClockWatch(state))
    const every = this.#o.everyEntries ?? LEAST_ENTRIES
    this.#nextAt = BigInt(tally.size + every)
    if (size < this.#nextAt) return
    this.#nextAt = size + BigInt(every)
    await this.#add(tally, size)
    const bytes = await this.#encode(tally)
    const horizonMs = tally.nextHorizonMs()
    const horizon = horizonMs === null ? null : new Date(horizonMs).toISOString()
    if (lineage.size - size > MOST_BEHIND)
      throw new LineageError('SNAPSHOT_TOO_LARGE', 'too much came in meanwhile')
    const digest = await lineage.putBlob(bytes)
    const body: EventBody = {
      type: 'snapshot',
      size: Number(size),
      digest,
      previous: tally.snapshot,
      horizon,
    }
    const index = await recorder.record(body)
    await lineage.noteSnapshot(index)
    this.#told = ''
    log.debug(
      { event: 'snapshot', entry: String(index), size: String(size), bytes: bytes.length },
      'snapshot written',
    )
    const fitting = Math.floor(bytes.length / SNAPSHOT_BYTES_PER_ENTRY)
    this.#nextAt =
      index + BigInt(this.#o.everyEntries ?? Math.min(MOST_ENTRIES, Math.max(LEAST_ENTRIES, fitting)))
    if (horizon !== null) for (const _ of uses.forgetBefore(horizon)) await setImmediate()
  }

  /** Adds the entries up to `size`. */
  async #add(tally: Tally, size: bigint): Promise<void> {
    const { lineage } = this.#o
    while (tally.size < size) {
      const from = BigInt(tally.size)
      const to = from + READ_AT_ONCE
      const entries = await lineage.readEntries(from, to < size ? to : size)
      for (const [i, { bytes }] of entries.entries()) {
        if (i % AT_ONCE === 0) await this.#turn()
        tally.add(parseEvent(bytes))
        for (const _ of tally.letGo()) await this.#turn()
      }
      await setTimeout(REST_MS, null, { ref: false })
    }
  }

  async #encode(tally: Tally): Promise<Buffer> {
    const pieces: Buffer[] = []
    let length = 0
    for (const piece of snapshotPieces(tally)) {
      pieces.push(piece)
      length += piece.length
      if (length > MAX_BLOB_BYTES)
        throw new LineageError('SNAPSHOT_TOO_LARGE', `more than ${MAX_BLOB_BYTES} bytes`)
      await this.#turn()
    }
    const bytes = Buffer.alloc(length)
    let at = 0
    for (const piece of pieces) {
      at += piece.copy(bytes, at)
      if (piece.length > 0) await this.#turn()
    }
    return bytes
  }

  /** Lets everybody else have a turn. */
  async #turn(): Promise<void> {
    await setImmediate()
    this.#stopping.signal.throwIfAborted()
  }
}
