import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath } from '../blob-store.ts'
import { tilePath, tilesOf } from '../c2sp/tile-path.ts'
import type { NamedBlobs } from './dropped.ts'
import { failed, type PropertyResult, verified } from './result.ts'

export const FILES = 'files'

/** Directories deeper than any that a log has are not entered. */
const MAX_DEPTH = 12

/**
 * Whether the directory holds exactly the files of a log of this size with these blobs: nothing is missing but what the log says was dropped, nothing
 * rides along, no link leads elsewhere.
 *
 * @param own digest of a blob that may be there though no event names it: what the published checkpoint itself is over
 */
export async function checkFiles(
  directory: string,
  size: number,
  blobs: NamedBlobs,
  own: string | null,
): Promise<PropertyResult> {
  const missing = new Set(['checkpoint'])
  const dropped = new Set<string>(own === null ? [] : [blobPath(own)])
  for (const digest of blobs.newest.keys()) {
    const path = blobPath(digest)
    if (blobs.entryOf(digest) === undefined) missing.add(path)
    else dropped.add(path)
  }
  for (const path of missing) dropped.delete(path)
  for (const name of tilesOf(size)) missing.add(tilePath(name))
  let count = missing.size
  for await (const { path, regular } of walk(directory, '', 0)) {
    if (!regular) return failed(FILES, `${path} is not a regular file`, path)
    if (dropped.delete(path)) count++
    else if (!missing.delete(path)) return failed(FILES, `${path} does not belong to the log`, path)
  }
  const absent = missing.values().next().value
  return absent === undefined
    ? verified(FILES, `${count} files, all of the log and none besides`)
    : failed(FILES, `${missing.size} files are missing`, absent)
}

async function* walk(
  directory: string,
  below: string,
  depth: number,
): AsyncGenerator<{ path: string; regular: boolean }> {
  const entries = await readdir(join(directory, below), { withFileTypes: true })
  for (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    if (!entry.isDirectory()) yield { path, regular: entry.isFile() }
    else if (depth === MAX_DEPTH) yield { path, regular: false }
    else yield* walk(directory, path, depth + 1)
  }
  // A directory without files is one that a log never leaves.
  if (entries.length === 0 && below !== '') yield { path: below, regular: false }
}
