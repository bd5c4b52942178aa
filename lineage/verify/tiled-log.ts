import { decodeBundle } from '../c2sp/entry-bundle.ts'
import { TILE_WIDTH, type TileName, tilePath } from '../c2sp/tile-path.ts'
import type { TreeHead } from '../checkpoint.ts'
import { LineageError } from '../error.ts'
import { CompactRange, HASH_SIZE, leafHash } from '../tree/merkle.ts'
import { splitTile } from '../writer/tile-store.ts'

/** Gives a file of a log by its path below the log's prefix, undefined where there is none. */
export type TileReader = (path: string) => Buffer | undefined

/**
 * Checks a log of any origin (C2SP tlog-tiles) against a tree head: the hashes of its lowest tiles make the signed root, each entry has the hash that
 * stands there, and tiles above, as far as they are at hand, are what the lowest make.
 *
 * @param read gives files that are controlled by whoever keeps the log
 * @param entries whether the log has entry bundles in this form (certificate transparency logs have others)
 * @throws LineageError `LINEAGE_BROKEN` with the file in `at`, `BUNDLE_MALFORMED`
 */
export function checkTiledLog(read: TileReader, head: TreeHead, entries: boolean): void {
  const range = new CompactRange()
  const rows: Buffer[][] = []
  const collect = (height: number, subtree: Buffer): void => {
    if (height === 0 || height % 8 !== 0) return
    rows[height / 8] ??= []
    rows[height / 8]?.push(subtree)
  }
  for (let index = 0; range.size < head.size; index++) {
    const width = Math.min(TILE_WIDTH, head.size - range.size)
    const hashes = readTile(read, { level: 0, index, width })
    if (entries) checkEntries(read, index, hashes)
    for (const hash of hashes) range.append(hash, collect)
  }
  if (!range.root().equals(head.root)) throw broken('the tiles make another root than the checkpoint says')
  rows.forEach((row, level) => {
    for (let index = 0; index * TILE_WIDTH < row.length; index++) {
      const made = row.slice(index * TILE_WIDTH, (index + 1) * TILE_WIDTH)
      const name = { level, index, width: made.length }
      const found = find(read, name)
      if (found === undefined) continue
      const hashes = readTile(read, name)
      if (!hashes.every((hash, i) => hash.equals(made[i] as Buffer)))
        throw broken('the tile is not what those below it make', name)
    }
  })
}

function broken(what: string, name?: TileName): LineageError {
  return new LineageError('LINEAGE_BROKEN', what, { at: name === undefined ? 'checkpoint' : tilePath(name) })
}

/** A tile or bundle, or the full one that has taken the place of a partial one (C2SP tlog-tiles, "Partial Tiles"). */
function find(read: TileReader, name: TileName): { bytes: Buffer; exact: boolean } | undefined {
  const exact = read(tilePath(name))
  if (exact !== undefined || name.width === TILE_WIDTH) return exact && { bytes: exact, exact: true }
  const full = read(tilePath({ ...name, width: TILE_WIDTH }))
  return full && { bytes: full, exact: false }
}

function readTile(read: TileReader, name: TileName): Buffer[] {
  const found = find(read, name)
  if (found === undefined) throw broken('the tile is missing', name)
  const width = found.exact ? name.width : TILE_WIDTH
  if (found.bytes.length !== width * HASH_SIZE)
    throw broken(`a tile of ${found.bytes.length} bytes, not ${width} hashes`, name)
  return splitTile(found.bytes).slice(0, name.width)
}

function checkEntries(read: TileReader, index: number, hashes: readonly Buffer[]): void {
  const name: TileName = { level: 'entries', index, width: hashes.length }
  const found = find(read, name)
  if (found === undefined) throw broken('the entries are missing', name)
  decodeBundle(found.bytes, name.width, found.exact).forEach((entry, i) => {
    if (!leafHash(entry).equals(hashes[i] as Buffer))
      throw broken(`entry ${index * TILE_WIDTH + i} has another hash than its tile says`, name)
  })
}
