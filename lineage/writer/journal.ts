import { encodeBundle } from '../c2sp/entry-bundle.ts'
import { TILE_WIDTH, type TileName } from '../c2sp/tile-path.ts'
import { LineageError } from '../error.ts'
import { leafHash } from '../tree/merkle.ts'
import { rangeRoot } from '../tree/proof.ts'
import type { Tree } from '../tree/tree.ts'
import type { Health } from './health.ts'
import { BATCH_OVERHEAD } from './segment.ts'
import type { Tail } from './tail.ts'
import { broken, type TileStore } from './tile-store.ts'

/** Most entries and bytes of one batch, that is of one fdatasync. */
const MAX_BATCH_ENTRIES = 2048
const MAX_BATCH_BYTES = 1 << 20
/** Most bytes that wait for the disk; beyond, appends are refused. */
const MAX_QUEUED_BYTES = 64 << 20
/** Tiles written between two syncs of their directories. */
const TILES_AT_ONCE = 64
/** Segments that may wait to be tiled before appends wait too. */
const MAX_SEGMENTS = 4
/** Milliseconds until a full disk is tried again. */
const FULL_DISK_PAUSE = 500

interface Waiting {
  readonly entry: Buffer
  readonly reserved: boolean
  resolve(index: number): void
  reject(error: LineageError): void
}

/**
 * Takes entries in, in order, makes them durable in batches and moves them to tiles behind.
 * All methods may be called at any time by anyone in this process.
 */
export class Journal {
  readonly #health: Health
  readonly #tail: Tail
  readonly #tiles: TileStore
  readonly #tree: Tree
  /** Entries that are not in full bundles; the first has index `#first`, a multiple of 256. */
  readonly #entries: Buffer[]
  #first: number
  readonly #queue: Waiting[] = []
  #queuedBytes = 0
  #committing: Promise<void> | undefined
  #tiling: Promise<void> = Promise.resolve()
  #diskFullUntil = 0

  constructor(parts: {
    health: Health
    tail: Tail
    tiles: TileStore
    tree: Tree
    entries: Buffer[]
    first: number
  }) {
    this.#health = parts.health
    this.#tail = parts.tail
    this.#tiles = parts.tiles
    this.#tree = parts.tree
    this.#entries = parts.entries
    this.#first = parts.first
  }

  /**
   * Resolves with the entry's index once it is durable. Calls are kept in order; those that come while the disk works share the next sync.
   * `reserved` entries may use the space kept for ends and kills.
   *
   * @throws LineageError `LINEAGE_UNAVAILABLE`: the entry may or may not be found after a restart
   */
  append(entry: Buffer, reserved: boolean): Promise<number> {
    if (this.#health.failure !== undefined) return Promise.reject(this.#health.failure)
    if (this.#queuedBytes + entry.length > MAX_QUEUED_BYTES && !reserved) {
      return Promise.reject(new LineageError('LINEAGE_UNAVAILABLE', 'too many entries wait for the disk'))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, reserved, resolve, reject })
      this.#queuedBytes += entry.length
      this.#committing ??= this.#commitAll()
    })
  }

  async #commitAll(): Promise<void> {
    // A turn of the microtask queue, so that what is appended together is synced together.
    await undefined
    while (this.#queue.length > 0) await this.#commit(this.#take())
    this.#committing = undefined
  }

  #take(): Waiting[] {
    let bytes = 0
    let count = 0
    for (const { entry } of this.#queue) {
      bytes += entry.length
      if (count === MAX_BATCH_ENTRIES || (count > 0 && bytes > MAX_BATCH_BYTES)) break
      count++
    }
    const batch = this.#queue.splice(0, count)
    for (const { entry } of batch) this.#queuedBytes -= entry.length
    return batch
  }

  async #commit(batch: Waiting[]): Promise<void> {
    let writing = batch
    try {
      if (!this.#tail.fits(batchBytes(batch), false)) {
        const full = await this.#makeRoom()
        if (full !== undefined) {
          for (const waiting of batch) if (!waiting.reserved) waiting.reject(full)
          writing = batch.filter(({ reserved }) => reserved)
          if (!this.#tail.fits(batchBytes(writing), true)) throw full
          if (writing.length === 0) return
        }
      }
      const leaves: Buffer[] = []
      await this.#health.guard(() =>
        this.#tail.append(
          this.#tree.size,
          writing.map(({ entry }) => entry),
          () => {
            for (const { entry } of writing) leaves.push(leafHash(entry))
          },
        ),
      )
      for (const [i, { entry, resolve }] of writing.entries()) {
        const index = this.#tree.size
        this.#tree.append(leaves[i] as Buffer)
        this.#entries.push(entry)
        resolve(index)
      }
    } catch (error) {
      for (const waiting of writing) waiting.reject(error as LineageError)
    }
  }

  /** Goes on in a new segment, or gives the reason why there is no space for one. Throws what is fatal. */
  async #makeRoom(): Promise<LineageError | undefined> {
    const now = performance.now()
    if (now < this.#diskFullUntil)
      return new LineageError('LINEAGE_UNAVAILABLE', 'no space left for the lineage')
    try {
      if (this.#tail.segments >= MAX_SEGMENTS) await this.tile()
      await this.#health.guard(() => this.#rotate())
      this.tile().catch(() => undefined)
      return undefined
    } catch (error) {
      if (this.#health.failure !== undefined) throw error
      this.#diskFullUntil = now + FULL_DISK_PAUSE
      // Tiles may be what can be written, and then frees segments.
      this.tile().catch(() => undefined)
      return error as LineageError
    }
  }

  async #rotate(): Promise<void> {
    const start = this.#tree.size - (this.#tree.size % TILE_WIDTH)
    const root = await rangeRoot(this.#tree.node, 0, start)
    await this.#tail.rotate(start, root, this.#entries.slice(start - this.#first))
    this.#tail.prepare()
  }

  /** Moves all complete tiles to disk and then frees the segments that held them. */
  tile(): Promise<void> {
    const tiling = this.#tiling.catch(() => undefined).then(() => this.#health.guard(() => this.#tileAll()))
    this.#tiling = tiling
    tiling.catch(() => undefined)
    return tiling
  }

  async #tileAll(): Promise<void> {
    for (;;) {
      const tiles = [...this.#tree.fullTiles().take(TILES_AT_ONCE)]
      if (tiles.length === 0) break
      const files = tiles.flatMap(({ level, index, hashes }) => {
        const tile = { name: { level, index, width: TILE_WIDTH }, bytes: Buffer.concat(hashes) }
        if (level > 0) return [tile]
        const from = index * TILE_WIDTH - this.#first
        const bytes = encodeBundle(this.#entries.slice(from, from + TILE_WIDTH))
        return [{ name: { level: 'entries' as const, index, width: TILE_WIDTH }, bytes }, tile]
      })
      await this.#tiles.write(files)
      for (const { level, index } of tiles) {
        this.#tree.forget(level, index)
        if (level > 0) continue
        this.#entries.splice(0, TILE_WIDTH)
        this.#first += TILE_WIDTH
      }
      await this.#tail.prune(this.#first)
      await this.#tiles.dropPartials(files.map(({ name }) => name))
    }
  }

  /** One durable entry. @throws LineageError `LINEAGE_BROKEN` when the files hold another */
  async entry(index: number): Promise<Buffer> {
    return (await this.run(index, index + 1))[0] as Buffer
  }

  /** The first durable entry of a bundle, checked as {@link run} does; no more is read than that. @throws LineageError `LINEAGE_BROKEN` */
  async first(bundle: number): Promise<Buffer> {
    const index = bundle * TILE_WIDTH
    if (index >= this.#first) return this.#entries[index - this.#first] as Buffer
    const entry = await this.#tiles.readFirst(bundle)
    const [leaf] = await this.#tree.tile(0, bundle, 1)
    if (!leafHash(entry).equals(leaf as Buffer)) {
      const name = { level: 'entries', index: bundle, width: TILE_WIDTH } as const
      throw broken(name, `does not hold entry ${index} of this log`)
    }
    return entry
  }

  /**
   * The durable entries from `from` up to `to` that are in one bundle with the first. Each is checked by its hash in the tree.
   *
   * @throws LineageError `LINEAGE_BROKEN` when the files hold others
   */
  async run(from: number, to: number): Promise<Buffer[]> {
    if (from >= this.#first) return this.#entries.slice(from - this.#first, to - this.#first)
    const index = Math.floor(from / TILE_WIDTH)
    const offset = from % TILE_WIDTH
    const entries = (await this.#tiles.readBundle(index)).slice(offset, to - index * TILE_WIDTH)
    const leaves = (await this.#tree.tile(0, index, offset + entries.length)).slice(offset)
    const other = entries.findIndex((entry, i) => !leafHash(entry).equals(leaves[i] as Buffer))
    if (other >= 0) {
      throw broken(
        { level: 'entries', index, width: TILE_WIDTH },
        `does not hold entry ${from + other} of this log`,
      )
    }
    return entries
  }

  /** Full bundles on disk. */
  get bundles(): number {
    return this.#first / TILE_WIDTH
  }

  /**
   * Reads a full bundle, the tile of its hashes and, with the last bundle of each, the tiles above it anew.
   *
   * @param index below {@link bundles}
   * @throws LineageError `LINEAGE_BROKEN`, `LINEAGE_UNAVAILABLE`
   */
  async recheck(index: number): Promise<void> {
    for (let level = 0, tile = index; ; level++) {
      await this.#tree.recheck(level, tile)
      if ((tile + 1) % TILE_WIDTH !== 0) break
      tile = Math.floor(tile / TILE_WIDTH)
    }
    await this.run(index * TILE_WIDTH, (index + 1) * TILE_WIDTH)
  }

  /** Reads a tile or bundle anew, if it is on disk and only there. @throws LineageError `LINEAGE_BROKEN`, `LINEAGE_UNAVAILABLE` */
  async recheckTile({ level, index }: TileName): Promise<void> {
    if ((index + 1) * TILE_WIDTH ** (level === 'entries' ? 1 : level + 1) > this.#first) return
    await (level === 'entries' ? this.recheck(index) : this.#tree.recheck(level, index))
  }

  /** Waits for what was appended before. */
  async drain(): Promise<void> {
    while (this.#committing !== undefined) await this.#committing
  }

  /** Lets go of the files. */
  async close(): Promise<void> {
    await this.drain()
    await this.#tiling.catch(() => undefined)
    await this.#tail.close()
  }
}

/** What a batch takes in the segment. */
function batchBytes(batch: readonly Waiting[]): number {
  return batch.reduce((sum, { entry }) => sum + 2 + entry.length, BATCH_OVERHEAD)
}
