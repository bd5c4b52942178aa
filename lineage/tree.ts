import { LineageError } from './error.ts'
import { CompactRange, foldPerfect } from './merkle.ts'
import type { NodeReader } from './proof.ts'
import { TILE_WIDTH } from './tile-path.ts'

/** Levels of subtree that a tile spans: 2^8 = 256 (C2SP tlog-tiles). */
const TILE_HEIGHT = 8

/** Reads a full tile that is on disk. */
export type TileReader = (level: number, index: number) => Promise<Buffer[]>

/** Hashes of one tile level that no full tile on disk holds yet. */
interface Edge {
  /** A multiple of 256. */
  first: number
  hashes: Buffer[]
}

/** The tree of all durable entries: its right edge in memory, the rest in tiles. */
export class Tree {
  readonly #readTile: TileReader
  readonly #range: CompactRange
  readonly #edges: Edge[]

  private constructor(readTile: TileReader, range: CompactRange, edges: Edge[]) {
    this.#readTile = readTile
    this.#range = range
    this.#edges = edges
  }

  /** The tree of the first `size` entries, a multiple of 256, all in full tiles. Reads at most 255 tiles of each level. */
  static async load(size: number, readTile: TileReader): Promise<Tree> {
    const edges: Edge[] = [{ first: size, hashes: [] }]
    for (let level = 1, count = size / TILE_WIDTH; count > 0; level++) {
      const full = Math.floor(count / TILE_WIDTH)
      const hashes: Buffer[] = []
      for (let index = full * TILE_WIDTH; index < count; index++) {
        hashes.push(foldPerfect(await readTile(level - 1, index)))
      }
      edges.push({ first: full * TILE_WIDTH, hashes })
      count = full
    }
    const bare = new Tree(readTile, new CompactRange(), edges)
    const nodes: Buffer[] = []
    for (let height = Math.floor(Math.log2(size)), lo = 0; size > 0 && lo < size; height--) {
      const width = 2 ** height
      if (lo + width > size) continue
      nodes.push(await bare.node(height, lo / width))
      lo += width
    }
    return new Tree(readTile, new CompactRange(size, nodes), edges)
  }

  get size(): number {
    return this.#range.size
  }

  root(): Buffer {
    return this.#range.root()
  }

  append(leaf: Buffer): void {
    this.#range.append(leaf, (height, subtree) => {
      if (height % TILE_HEIGHT !== 0) return
      const level = height / TILE_HEIGHT
      const edge = this.#edges[level]
      if (edge === undefined) this.#edges[level] = { first: 0, hashes: [subtree] }
      else edge.hashes.push(subtree)
    })
  }

  /** {@link NodeReader} over this tree. */
  readonly node: NodeReader = async (height, index) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const count = 2 ** (height % TILE_HEIGHT)
    const first = index * count
    const tile = Math.floor(first / TILE_WIDTH)
    const hashes = await this.tile(level, tile, (first % TILE_WIDTH) + count)
    return foldPerfect(hashes.slice(first % TILE_WIDTH))
  }

  /** The first `width` hashes of a tile, from memory or disk. */
  async tile(level: number, index: number, width: number): Promise<Buffer[]> {
    const edge = this.#edges[level]
    const first = index * TILE_WIDTH
    const hashes =
      edge !== undefined && first >= edge.first
        ? edge.hashes.slice(first - edge.first, first - edge.first + width)
        : (await this.#readTile(level, index)).slice(0, width)
    if (hashes.length !== width) {
      throw new LineageError('RANGE_INVALID', `tile ${level}/${index} has no ${width} hashes yet`)
    }
    return hashes
  }

  /** Full tiles in memory, from the lowest level up, each level in order. */
  *fullTiles(): Generator<{ level: number; index: number; hashes: Buffer[] }> {
    for (const [level, { first, hashes }] of this.#edges.entries()) {
      for (let at = 0; at + TILE_WIDTH <= hashes.length; at += TILE_WIDTH) {
        yield { level, index: (first + at) / TILE_WIDTH, hashes: hashes.slice(at, at + TILE_WIDTH) }
      }
    }
  }

  /** Lets go of a full tile that is on disk now: the first of its level in memory. */
  forget(level: number, index: number): void {
    const edge = this.#edges[level]
    if (edge === undefined || edge.first !== index * TILE_WIDTH) {
      throw new TypeError(`tile ${level}/${index} is not the first in memory`)
    }
    edge.hashes.splice(0, TILE_WIDTH)
    edge.first += TILE_WIDTH
  }
}
