import { TILE_WIDTH, tilePath } from '../c2sp/tile-path.ts'
import { LineageError } from '../error.ts'
import { CompactRange, foldPerfect } from './merkle.ts'
import type { NodeReader } from './proof.ts'
import { TilePyramid } from './tile-pyramid.ts'

/** Levels of subtree that a tile spans: 2^8 = 256 (C2SP tlog-tiles). */
const TILE_HEIGHT = 8

/** Reads a full tile that is on disk: its 256 hashes, whatever they are. */
export type TileReader = (level: number, index: number) => Promise<Buffer>

/** Tiles of which all nodes are kept: 16 kB each. */
const KEPT_TILES = 128
/** Nodes above the edge that are kept, once asked for: each proof takes the same ones. */
const KEPT_NODES = 1024

/** Hashes of one tile level that no full tile on disk holds yet. */
interface Edge {
  /** A multiple of 256. */
  first: number
  hashes: Buffer[]
}

/**
 * The tree of all durable entries: its right edge in memory, the rest in tiles. A tile that is read is checked by the hash that stands for it
 * above, up to the edge, so that no hash that this gives depends on what the disk says.
 */
export class Tree {
  readonly #readTile: TileReader
  readonly #kept = new Map<string, TilePyramid>()
  readonly #nodes = new Map<string, Buffer>()
  readonly #range: CompactRange
  readonly #edges: Edge[]

  private constructor(readTile: TileReader, range: CompactRange, edges: Edge[]) {
    this.#readTile = readTile
    this.#range = range
    this.#edges = edges
  }

  /**
   * The tree of the first `size` entries, a multiple of 256, all in full tiles. Reads at most 255 tiles of each level. Its root is what the files say:
   * the caller compares it with what is known of it.
   */
  static async load(size: number, readTile: TileReader): Promise<Tree> {
    const edges: Edge[] = [{ first: size, hashes: [] }]
    for (let level = 1, count = size / TILE_WIDTH; count > 0; level++) {
      const full = Math.floor(count / TILE_WIDTH)
      const hashes: Buffer[] = []
      for (let index = full * TILE_WIDTH; index < count; index++) {
        hashes.push(new TilePyramid(await readTile(level - 1, index)).root)
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

  /** {@link NodeReader} over this tree. @throws LineageError `LINEAGE_BROKEN` for a tile that does not belong to it */
  readonly node: NodeReader = async (height, index) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const within = height % TILE_HEIGHT
    const count = 2 ** within
    const first = index * count
    const tile = Math.floor(first / TILE_WIDTH)
    const offset = first % TILE_WIDTH
    const edge = this.#atEdge(level, tile, offset + count)
    if (edge !== undefined) return this.#foldEdge(height, index, edge.slice(offset))
    return (await this.#tileOnDisk(level, tile)).node(within, offset / count)
  }

  /** The first `width` hashes of a tile, from memory or disk. */
  async tile(level: number, index: number, width: number): Promise<Buffer[]> {
    return this.#atEdge(level, index, width) ?? (await this.#tileOnDisk(level, index)).hashes(width)
  }

  /** Reads a tile anew that is on disk, and checks it. @throws LineageError `LINEAGE_BROKEN` */
  async recheck(level: number, index: number): Promise<void> {
    this.#kept.delete(keyOf(level, index))
    await this.#tileOnDisk(level, index)
  }

  /** The first hashes of a tile that is in memory. */
  #atEdge(level: number, index: number, width: number): Buffer[] | undefined {
    const edge = this.#edges[level]
    const first = index * TILE_WIDTH
    if (edge === undefined || first < edge.first) return undefined
    const hashes = edge.hashes.slice(first - edge.first, first - edge.first + width)
    if (hashes.length !== width) {
      throw new LineageError('RANGE_INVALID', `tile ${level}/${index} has no ${width} hashes yet`)
    }
    return hashes
  }

  #foldEdge(height: number, index: number, hashes: Buffer[]): Buffer {
    if (hashes.length < 4) return foldPerfect(hashes)
    const key = keyOf(height, index)
    const kept = this.#nodes.get(key)
    if (kept !== undefined) return kept
    if (this.#nodes.size >= KEPT_NODES) this.#nodes.clear()
    const node = foldPerfect(hashes)
    this.#nodes.set(key, node)
    return node
  }

  async #tileOnDisk(level: number, index: number): Promise<TilePyramid> {
    const key = keyOf(level, index)
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const pyramid = new TilePyramid(await this.#readTile(level, index))
    const parent = await this.node((level + 1) * TILE_HEIGHT, index)
    if (!pyramid.root.equals(parent)) {
      const at = tilePath({ level, index, width: TILE_WIDTH })
      throw new LineageError('LINEAGE_BROKEN', `${at} does not hold the hashes of this log`, { at })
    }
    const oldest = this.#kept.size >= KEPT_TILES ? this.#kept.keys().next().value : undefined
    if (oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(key, pyramid)
    return pyramid
  }

  /**
   * Full tiles in memory, from the highest level down, each level in order: once a tile of entries is on disk and the tail is let go of, nothing above it
   * may be missing.
   */
  *fullTiles(): Generator<{ level: number; index: number; hashes: Buffer[] }> {
    for (let level = this.#edges.length - 1; level >= 0; level--) {
      const { first, hashes } = this.#edges[level] as Edge
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

function keyOf(level: number, index: number): string {
  return `${level}/${index}`
}
