import { join } from 'node:path'
import { readBoundedSync } from '../blob-store.ts'
import { decodeBundle, MAX_BUNDLE_BYTES } from '../c2sp/entry-bundle.ts'
import { TILE_WIDTH, tilePath } from '../c2sp/tile-path.ts'
import type { TreeHead } from '../checkpoint.ts'
import { CompactRange, HASH_SIZE, leafHash } from '../tree/merkle.ts'
import { splitTile } from '../writer/tile-store.ts'
import { RecentTrees } from './recent-trees.ts'
import { failed, failedBy, notChecked, type PropertyResult, verified } from './result.ts'

export const ROOT = 'Merkle root'
export const TILES = 'hash tiles'
export const INCLUSION = 'inclusion of each entry'

const MAX_TILE_BYTES = TILE_WIDTH * HASH_SIZE

/** What the pass over all entries found. */
export interface TreeCheck {
  readonly results: PropertyResult[]
  /** Roots at the smaller sizes that were asked for; only what is at or below the tree's size. */
  readonly rootsAt: ReadonlyMap<number, Buffer>
}

/**
 * Recomputes the tree from the entries alone and compares with it the signed root and every hash tile.
 *
 * @param visit is called with each entry in order, before anything is known about it, and with what roots the tree before it had
 * @param pause is waited for now and then
 */
export async function checkTree(
  directory: string,
  head: TreeHead,
  sizes: readonly number[],
  visit: (entry: Buffer, index: number, file: string, trees: RecentTrees) => void,
  pause: () => Promise<void> = async () => undefined,
): Promise<TreeCheck> {
  const rows: Buffer[][] = []
  const range = new CompactRange()
  const rootsAt = new Map<number, Buffer>()
  const wanted = new Set(sizes)
  const differing: { tile: string; bundle: string | undefined }[] = []
  const trees = new RecentTrees()
  const collect = (height: number, subtree: Buffer) => {
    trees.completed(height, subtree)
    if (height % 8 !== 0) return
    const row = rows[height / 8]
    if (row === undefined) rows[height / 8] = [subtree]
    else row.push(subtree)
  }
  /** Compares a tile that is complete, or the last of its level, and forgets its hashes. */
  const compare = (level: number, index: number, bundle?: string) => {
    const hashes = rows[level]?.splice(0, TILE_WIDTH) ?? []
    const tile = tilePath({ level, index, width: hashes.length })
    const bytes = optional(() => readBoundedSync(join(directory, tile), MAX_TILE_BYTES, tile))
    if (!bytes?.equals(Buffer.concat(hashes))) differing.push({ tile, bundle })
  }
  if (wanted.has(0)) rootsAt.set(0, range.root())
  for (let index = 0; range.size < head.size; index++) {
    const width = Math.min(TILE_WIDTH, head.size - range.size)
    const bundle = tilePath({ level: 'entries', index, width })
    try {
      const bytes = readBoundedSync(join(directory, bundle), MAX_BUNDLE_BYTES, bundle)
      for (const entry of decodeBundle(bytes, width)) {
        visit(entry, range.size, bundle, trees)
        range.append(leafHash(entry), collect)
        trees.appended()
        if (wanted.has(range.size)) rootsAt.set(range.size, range.root())
      }
    } catch (error) {
      return { results: [ROOT, TILES, INCLUSION].map(property => failedBy(property, error, bundle)), rootsAt }
    }
    await pause()
    compare(0, index, bundle)
    for (let level = 1; (rows[level]?.length ?? 0) === TILE_WIDTH; level++) {
      compare(level, tilesBefore(range.size, level))
    }
  }
  for (let level = 1; level < rows.length; level++) {
    if ((rows[level]?.length ?? 0) > 0) compare(level, tilesBefore(range.size, level))
  }
  const matches = range.root().equals(head.root)
  return { results: matches ? judgeTiles(head, differing) : blame(directory, head, differing), rootsAt }
}

/** Roots of the tree at some sizes, from tiles that were found to be what the entries make. @throws what reading them throws */
export function rootsFromTiles(
  directory: string,
  size: number,
  sizes: ReadonlySet<number>,
): Map<number, Buffer> {
  const roots = new Map<number, Buffer>()
  const range = new CompactRange()
  const last = Math.max(0, ...sizes)
  if (sizes.has(0)) roots.set(0, range.root())
  for (let index = 0; range.size < last; index++) {
    const tile = tilePath({ level: 0, index, width: Math.min(TILE_WIDTH, size - range.size) })
    for (const hash of splitTile(readBoundedSync(join(directory, tile), MAX_TILE_BYTES, tile))) {
      range.append(hash)
      if (sizes.has(range.size)) roots.set(range.size, range.root())
    }
  }
  return roots
}

/** What a file says, or undefined where it cannot be read. */
function optional<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/** Index of the tile of a level that ends at, or holds, entry `size` - 1. */
function tilesBefore(size: number, level: number): number {
  return Math.ceil(Math.floor(size / TILE_WIDTH ** level) / TILE_WIDTH) - 1
}

function judgeTiles(head: TreeHead, differing: readonly { tile: string }[]): PropertyResult[] {
  const wrong = differing[0]
  return [
    verified(ROOT, `recomputed from ${head.size} entries: ${head.root.toString('hex')}`),
    wrong === undefined
      ? verified(TILES, 'every tile is byte for byte what the entries make')
      : failed(TILES, `${differing.length} tiles are not what the entries make`, wrong.tile),
    verified(INCLUSION, `${head.size} entries, each hashed into the root`),
  ]
}

/** The entries do not make the signed root. If the leaf hashes in the tiles do, the entries are at fault, else either. */
function blame(
  directory: string,
  head: TreeHead,
  differing: readonly { tile: string; bundle: string | undefined }[],
): PropertyResult[] {
  const range = new CompactRange()
  for (let index = 0; range.size < head.size; index++) {
    const tile = tilePath({ level: 0, index, width: Math.min(TILE_WIDTH, head.size - range.size) })
    const bytes =
      optional(() => readBoundedSync(join(directory, tile), MAX_TILE_BYTES, tile)) ?? Buffer.alloc(0)
    if (bytes.length === 0 || bytes.length % HASH_SIZE !== 0) break
    for (const hash of splitTile(bytes)) range.append(hash)
  }
  const tilesHold = range.size === head.size && range.root().equals(head.root)
  const first = differing[0]
  const file = first === undefined ? 'checkpoint' : tilesHold ? (first.bundle ?? first.tile) : first.tile
  return [
    failed(ROOT, 'the entries make another root than the checkpoint says', file),
    tilesHold || first === undefined
      ? notChecked(TILES, 'the entries to compare them with are not the signed ones')
      : failed(TILES, `${differing.length} tiles are not what the entries make`, first.tile),
    failed(INCLUSION, 'at least one entry is not the one that was signed', file),
  ]
}
