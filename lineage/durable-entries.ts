import { TILE_WIDTH } from './c2sp/tile-path.ts'
import { LineageError } from './error.ts'
import { peekTime } from './events/index.ts'
import { locate } from './locate.ts'
import { consistencyPath, inclusionPath, rangeRoot } from './tree/proof.ts'
import type { Tree } from './tree/tree.ts'
import type { Health } from './writer/health.ts'
import type { Journal } from './writer/journal.ts'

/** Most entries and bytes that one call of {@link DurableEntries.readEntries} gives. */
const MAX_READ_ENTRIES = 1024
const MAX_READ_BYTES = 1 << 20

/** An entry and where it is. */
export interface IndexedEntry {
  readonly index: bigint
  /** Canonical JSON, as it is hashed into the tree; `parseEvent` reads it. */
  readonly bytes: Buffer
}

/**
 * What can be read of an open lineage: its durable entries, and proofs of them. All methods may be called at any time, also after writing has
 * ended. What is read and is not what the tree says ends writing.
 */
export class DurableEntries {
  readonly #tree: Tree
  readonly #journal: Journal
  readonly #health: Health

  constructor(tree: Tree, journal: Journal, health: Health) {
    this.#tree = tree
    this.#journal = journal
    this.#health = health
  }

  /** Durable entries. */
  get size(): bigint {
    return BigInt(this.#tree.size)
  }

  /** Root of the tree of all durable entries; belongs to {@link size} as read in the same turn. */
  rootHash(): Buffer {
    return this.#tree.root()
  }

  /**
   * The positions from the first entry of the time `sinceMs` or later to, not including, that after the last of the time `untilMs` or earlier; null:
   * no limit. What they mean where the wall clock was set, and how much is read: see {@link locate}.
   */
  async locate(sinceMs: number | null, untilMs: number | null): Promise<{ from: bigint; to: bigint }> {
    const size = this.#tree.size
    const { from, to } = await locate({ sinceMs, untilMs }, size, {
      first: async bundle => peekTime(await this.#journal.first(bundle)),
      all: async bundle => {
        const end = Math.min(size, (bundle + 1) * TILE_WIDTH)
        return (await this.#journal.run(bundle * TILE_WIDTH, end)).map(peekTime)
      },
    })
    return { from: BigInt(from), to: BigInt(to) }
  }

  /** One entry's bytes. @throws LineageError `RANGE_INVALID` */
  async entry(index: bigint): Promise<Buffer> {
    if (index < 0n || index >= this.size) throw noSuch(`entry ${index}`, this.size)
    return this.#health.reading(() => this.#journal.entry(Number(index)))
  }

  /**
   * Entries from `from` up to, not including, `to`; fewer when they are many or large, but at least one when there is one. Whoever wants the rest
   * asks again.
   *
   * @throws LineageError `RANGE_INVALID` unless 0 ≤ from ≤ to ≤ size
   */
  async readEntries(from: bigint, to: bigint): Promise<IndexedEntry[]> {
    if (from < 0n || from > to || to > this.size) throw noSuch(`range ${from} to ${to}`, this.size)
    const out: IndexedEntry[] = []
    let bytes = 0
    const end = Math.min(Number(to), Number(from) + MAX_READ_ENTRIES)
    while (Number(from) + out.length < end) {
      const run = () => this.#journal.run(Number(from) + out.length, end)
      for (const entry of await this.#health.reading(run)) {
        bytes += entry.length
        if (bytes > MAX_READ_BYTES && out.length > 0) return out
        out.push({ index: from + BigInt(out.length), bytes: entry })
      }
    }
    return out
  }

  /** Root of the tree as it was at some size. @throws LineageError `RANGE_INVALID` */
  async rootAt(size: bigint): Promise<Buffer> {
    if (size < 0n || size > this.size) throw noSuch(`tree of ${size}`, this.size)
    return this.#health.reading(() => rangeRoot(this.#tree.node, 0, Number(size)))
  }

  /** That an entry is in the tree of `size` entries, leaf side first (RFC 6962 section 2.1.1). @throws LineageError `RANGE_INVALID` */
  async inclusionProof(index: bigint, size: bigint): Promise<Buffer[]> {
    if (size > this.size || index < 0n || index >= size) throw noSuch(`entry ${index} of ${size}`, this.size)
    return this.#health.reading(() => inclusionPath(this.#tree.node, Number(index), 0, Number(size)))
  }

  /** That one tree is a beginning of another (RFC 6962 section 2.1.2). @throws LineageError `RANGE_INVALID` */
  async consistencyProof(size1: bigint, size2: bigint): Promise<Buffer[]> {
    if (size1 < 0n || size1 > size2 || size2 > this.size) throw noSuch(`sizes ${size1}, ${size2}`, this.size)
    return this.#health.reading(() => consistencyPath(this.#tree.node, Number(size1), Number(size2)))
  }

  /** Bundles of 256 entries that are in full tiles: what {@link recheck} can read anew. */
  get bundles(): number {
    return this.#journal.bundles
  }

  /**
   * Reads a bundle and the tiles that stand for it anew, whatever is kept of them in memory. Damage ends writing: {@link failed} resolves.
   *
   * @throws LineageError `RANGE_INVALID`, `LINEAGE_BROKEN`, `LINEAGE_UNAVAILABLE` when the disk does not give the file
   */
  async recheck(bundle: number): Promise<void> {
    if (!(bundle >= 0 && bundle < this.bundles)) throw noSuch(`bundle ${bundle}`, this.size)
    await this.#health.reading(() => this.#journal.recheck(bundle))
  }
}

function noSuch(what: string, size: bigint): LineageError {
  return new LineageError('RANGE_INVALID', `no ${what} in a tree of ${size} entries`)
}
