import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { blobPath, diskBytes } from '../blob-store.ts'
import type { LineageEvent } from '../events/index.ts'
import { blobsOf } from '../events/index.ts'
import { lastingBlobs } from '../evidence-class.ts'
import type { Lineage } from '../lineage.ts'
import type { Known } from './bookkeeping.ts'
import { Candidates } from './candidates.ts'
import { type Pace, scanLog } from './log-scan.ts'
import { NamedSet, storedBlobs } from './stored.ts'

/** Most digests of one entry; they fill some 52 KB of its 64. */
const PER_ENTRY = 768
/** What a store is brought down to when it has grown beyond its bound, so that the log is not gone through for each new blob. */
const LOW_WATER = 0.9
/** Files that are looked at or removed between two turns of the event loop. */
const PER_TURN = 128

/** How much is kept, and for how long at least. */
export interface RetentionLimits {
  /** What blobs may take of the disk, in blocks of 4096. */
  readonly maxBytes: number
  /** Blobs that a younger entry names are kept, also beyond the bound. */
  readonly minAgeMs: number
}

/** An `evidence-dropped`, without what every event has. */
export type Dropping = Pick<
  LineageEvent & { type: 'evidence-dropped' },
  'type' | 'before' | 'digests' | 'bytes'
>

export interface RetentionOptions extends Pace {
  /** Looked at anew in each run. */
  readonly limits: () => RetentionLimits
  /** Blobs that are kept though no entry that lasts names them. */
  readonly spared: ReadonlySet<string>
  /** Appends an entry; gives its index once it is durable. */
  readonly record: (event: Dropping) => Promise<bigint>
  /** Sees to a published checkpoint over an entry; whether there is one now. */
  readonly sealed: (index: bigint) => Promise<boolean>
  readonly wallMs: () => number
}

/** What became of a run. */
export interface RetentionResult {
  /** Blobs that are gone, and what they took of the disk. */
  readonly dropped: number
  readonly bytes: number
  /** Blobs that no entry named, and that a crash may have left. */
  readonly unnamed: number
  /** Whether the store takes more than its bound, and nothing more may be dropped. */
  readonly overBound: boolean
}

/**
 * Keeps the evidence store within its bound: what is oldest is dropped, save for what something still needs (docs/decisions/0019). A blob goes in
 * this order, so that a crash between any two steps leaves a log that verifies: an entry says so → it is durable → a published checkpoint is over it → the file
 * is removed. What is about to be named again in the meantime stays.
 *
 * One run at a time; nothing waits for it.
 */
export class Retention {
  readonly #lineage: Lineage
  readonly #o: RetentionOptions
  #known: Known | undefined
  /** Blobs that an entry says are dropped, and whose files are still there; with the entry. */
  readonly #doomed = new Set<string>()
  #sealing: bigint | undefined
  /** By the clock of the files. */
  readonly #startMs = Date.now()

  /** Takes up the bookkeeping. Of a log that was not stopped in order the store is counted anew, in the first run. */
  static async open(lineage: Lineage, options: RetentionOptions): Promise<Retention> {
    const retention = new Retention(lineage, options)
    const known = lineage.evidence.bookkeeping.read()
    if (known === undefined || known.size > Number(lineage.size)) return retention
    if ((await lineage.rootAt(BigInt(known.size))).toString('hex') !== known.root) return retention
    retention.#known = known
    lineage.evidence.bytes = lineage.openedAfterUncleanStop ? null : known.bytes
    return retention
  }

  private constructor(lineage: Lineage, options: RetentionOptions) {
    this.#lineage = lineage
    this.#o = options
  }

  /** Whether the next {@link run} has anything to do. */
  get isDue(): boolean {
    const { bytes } = this.#lineage.evidence
    return bytes === null || bytes > this.#o.limits().maxBytes || this.#doomed.size > 0
  }

  /**
   * Counts the store if nobody has, and removes what no entry names; then drops what is too much. What cannot be sealed now is removed
   * by a later run.
   *
   * @throws LineageError; the reason of `stop`
   */
  async run(): Promise<RetentionResult> {
    const { evidence } = this.#lineage
    evidence.forgetUnnamed()
    let unnamed = 0
    try {
      if (evidence.bytes === null) {
        unnamed = await this.#count().catch(error => {
          // Half of a count is none.
          evidence.bytes = null
          throw error
        })
      }
      const first = await this.#removeDoomed()
      const swept = await this.#sweep()
      return { ...swept, dropped: first.dropped + swept.dropped, bytes: first.bytes + swept.bytes, unnamed }
    } finally {
      evidence.onUse = digest => this.#doomed.delete(digest)
    }
  }

  /** Writes down what is known, for the next start. The log is still open, and nothing is put any more. */
  async close(): Promise<void> {
    const { evidence } = this.#lineage
    if (this.#known === undefined || evidence.bytes === null) return
    // What requests that failed have put is found when the next run counts.
    const bytes = evidence.hasAbandoned(this.#o.spared) ? null : evidence.bytes
    await this.#save({ ...this.#known, bytes })
  }

  async #save(known: Known): Promise<void> {
    this.#known = known
    await this.#lineage.evidence.bookkeeping.write(known)
  }

  /**
   * Goes through the store and the whole log: how much there is, what is never dropped, and which files no entry names, or none since one said that they are dropped. That is what a
   * crash leaves. A file from after the start is left alone: its entry may be on its way.
   *
   * @returns how many files were removed
   */
  async #count(): Promise<number> {
    const { evidence, directory } = this.#lineage
    const beginMs = Date.now()
    evidence.bytes = 0
    let bytes = 0
    const set = await NamedSet.of(directory, this.#o.stop, blob => {
      // What is written meanwhile counts by itself.
      if (blob.writtenMs < beginMs) bytes += blob.bytes
    })
    evidence.bytes += bytes
    // Whoever names one from now on comes after all that the log says so far.
    const used = new Set<string>(this.#o.spared)
    evidence.onUse = digest => used.add(digest)
    const lasting = new Set<string>()
    const size = Number(this.#lineage.size)
    for await (const { event } of scanLog(this.#lineage, 0, size, this.#o)) {
      for (const digest of lastingBlobs(event)) lasting.add(digest)
      for (const digest of blobsOf(event)) set.set(digest, true)
      if (event.type === 'evidence-dropped') for (const digest of event.digests) set.set(digest, false)
    }
    for (const digest of used) set.set(digest, true)
    evidence.onUse = digest => set.set(digest, true)
    const root = (await this.#lineage.rootAt(BigInt(size))).toString('hex')
    const { before = 0, running = [], held = [] } = this.#known ?? {}
    await this.#save({ size, root, lasting, before, running, held, bytes: null })
    return this.#removeUnnamed(set, size)
  }

  async #removeUnnamed(set: NamedSet, size: number): Promise<number> {
    const { evidence, directory } = this.#lineage
    let removed = 0
    let sealed: boolean | undefined
    for await (const { digest, writtenMs } of storedBlobs(directory)) {
      this.#o.stop.throwIfAborted()
      if (!set.isUnnamed(digest) || writtenMs >= this.#startMs) continue
      // Some of them an entry says are dropped, and whoever reads a log has to find that entry under its checkpoint.
      sealed ??= await this.#o.sealed(BigInt(size) - 1n)
      if (!sealed) return removed
      if (set.isUnnamed(digest) && (await evidence.remove(digest)) > 0) removed++
    }
    return removed
  }

  async #sweep(): Promise<Omit<RetentionResult, 'unnamed'>> {
    const { evidence } = this.#lineage
    const limits = this.#o.limits()
    let dropped = 0
    let bytes = 0
    if ((evidence.bytes ?? 0) <= limits.maxBytes) return { dropped, bytes, overBound: false }
    const target = Math.floor(limits.maxBytes * LOW_WATER)
    while ((evidence.bytes ?? 0) > target && this.#known !== undefined && this.#doomed.size === 0) {
      const nowMs = this.#o.wallMs()
      const times = { nowMs, oldMs: nowMs - limits.minAgeMs }
      const { before } = this.#known
      const found = await Candidates.find(this.#lineage, this.#known, this.#o.spared, times, this.#o)
      // What the log is checked by later is the configuration in force when it says so.
      if (this.#o.limits().minAgeMs !== limits.minAgeMs) break
      await this.#drop(found, target)
      const removed = await this.#removeDoomed()
      dropped += removed.dropped
      bytes += removed.bytes
      if (this.#doomed.size === 0) await this.#remember(found)
      if (removed.dropped === 0 && this.#known.before === before) break
    }
    return { dropped, bytes, overBound: (evidence.bytes ?? 0) > limits.maxBytes && this.#doomed.size === 0 }
  }

  /** Says of the oldest that they are dropped, as many as are too many. */
  async #drop(found: Candidates, target: number): Promise<void> {
    const { evidence } = this.#lineage
    let left = evidence.bytes ?? 0
    let batch: [digest: string, bytes: number][] = []
    let before = found.said
    const flush = async () => {
      const still = batch.filter(([digest]) => found.byDigest.has(digest))
      batch = []
      if (still.length === 0) return
      const bytes = still.reduce((sum, [, size]) => sum + size, 0)
      for (const [digest] of still) this.#doomed.add(digest)
      evidence.onUse = digest => {
        found.use(digest)
        this.#doomed.delete(digest)
      }
      const digests = still.map(([digest]) => digest)
      this.#sealing = await this.#o
        .record({ type: 'evidence-dropped', before, digests, bytes })
        .catch(error => {
          for (const digest of digests) this.#doomed.delete(digest)
          throw error
        })
    }
    let looked = 0
    for (const [digest, index] of [...found.byDigest]) {
      if (left <= target) {
        found.end = Math.min(found.end, index)
        break
      }
      if (looked++ % PER_TURN === 0) await turn()
      const size = statSync(join(this.#lineage.directory, blobPath(digest)), { throwIfNoEntry: false })?.size
      if (size === undefined || evidence.inUse(digest)) {
        // What somebody is about to name is asked again; what is gone is gone.
        if (size !== undefined) found.use(digest)
        continue
      }
      batch.push([digest, diskBytes(size)])
      left -= diskBytes(size)
      before = Math.max(before, index + 1)
      if (batch.length === PER_ENTRY) await flush()
    }
    await flush()
  }

  async #removeDoomed(): Promise<{ dropped: number; bytes: number }> {
    const { evidence } = this.#lineage
    let dropped = 0
    let bytes = 0
    if (this.#doomed.size === 0 || this.#sealing === undefined || !(await this.#o.sealed(this.#sealing)))
      return { dropped, bytes }
    for (const digest of this.#doomed) {
      this.#o.stop.throwIfAborted()
      // It may have come to be used while another was removed.
      if (!this.#doomed.delete(digest)) continue
      const freed = await evidence.remove(digest)
      bytes += freed
      if (freed > 0) dropped++
    }
    return { dropped, bytes }
  }

  async #remember(found: Candidates): Promise<void> {
    const { size, end, lasting } = found
    const root = (await this.#lineage.rootAt(BigInt(size))).toString('hex')
    const earlier = (list: readonly number[]) =>
      [...new Set(list.filter(index => index < end))].sort((a, b) => a - b)
    const [running, held] = [earlier(found.running), earlier(found.held)]
    await this.#save({ size, root, lasting, before: end, running, held, bytes: null })
  }
}
