import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { encodeBundle } from '../../../lineage/c2sp/entry-bundle.ts'
import { TILE_WIDTH, tilePath, tilesOf } from '../../../lineage/c2sp/tile-path.ts'
import { CompactRange, leafHash } from '../../../lineage/tree/merkle.ts'
import type { testLog } from './witness.ts'

/** Writes the directory of a log of another make: any entries, one Ed25519 line. Gives the checkpoint. */
export function writeTiledLog(
  directory: string,
  entries: readonly Buffer[],
  log: ReturnType<typeof testLog>,
): Buffer {
  const range = new CompactRange()
  const rows: Buffer[][] = []
  for (const entry of entries) {
    range.append(leafHash(entry), (height, subtree) => {
      if (height % 8 !== 0) return
      rows[height / 8] ??= []
      rows[height / 8]?.push(subtree)
    })
  }
  const put = (path: string, bytes: Buffer) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), bytes)
  }
  for (const name of tilesOf(entries.length)) {
    const from = name.index * TILE_WIDTH
    const to = from + name.width
    put(
      tilePath(name),
      name.level === 'entries'
        ? encodeBundle(entries.slice(from, to))
        : Buffer.concat(rows[name.level]?.slice(from, to) ?? []),
    )
  }
  const note = log.checkpoint(entries.length, range.root())
  put('checkpoint', note)
  return note
}
