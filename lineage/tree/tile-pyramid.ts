import { TILE_WIDTH } from '../c2sp/tile-path.ts'
import { HASH_SIZE, writePairHash } from './merkle.ts'

/**
 * A full tile with all nodes that its hashes make: 256, 128, … 1. What a tile is checked by, and what proofs take from it, are the same
 * 255 hashes, so that they are computed once.
 */
export class TilePyramid {
  readonly #nodes: Buffer

  /** @param tile 256 hashes; they are copied */
  constructor(tile: Uint8Array) {
    const nodes = Buffer.allocUnsafe((2 * TILE_WIDTH - 1) * HASH_SIZE)
    nodes.set(tile)
    // Each row follows the one below it, so that nodes 2i and 2i+1 of all, which lie side by side, make node 256+i.
    for (let pair = 0, at = TILE_WIDTH * HASH_SIZE; at < nodes.length; pair += 2 * HASH_SIZE, at += HASH_SIZE)
      writePairHash(nodes, pair, at)
    this.#nodes = nodes
  }

  /** The root of the subtree over hashes [index·2^height, (index+1)·2^height) of the tile; height 0 is a hash, 8 the whole. */
  node(height: number, index: number): Buffer {
    const row = 2 * TILE_WIDTH - 2 * (TILE_WIDTH >> height)
    const at = (row + index) * HASH_SIZE
    return this.#nodes.subarray(at, at + HASH_SIZE)
  }

  /** The root of the whole tile: the hash that stands for it in the tile above. */
  get root(): Buffer {
    return this.node(Math.log2(TILE_WIDTH), 0)
  }

  /** The first `width` hashes. */
  hashes(width: number): Buffer[] {
    return Array.from({ length: width }, (_, i) => this.node(0, i))
  }
}
