import { readFileSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blobPath, readBlob, readBounded } from './blob-store.ts'
import { parseCheckpoint, pcrsBlob } from './checkpoint.ts'
import { decodeBundle, encodeBundle, MAX_BUNDLE_BYTES } from './entry-bundle.ts'
import { LineageError } from './error.ts'
import { parseEvent } from './events/index.ts'
import { HASH_SIZE } from './merkle.ts'
import { layout } from './recovery.ts'
import { TILE_WIDTH, type TileName, tilePath, tilesOf } from './tile-path.ts'
import { NamedBlobs } from './verify/dropped.ts'

/** What was exported. */
export interface ExportSummary {
  readonly size: number
  readonly root: Buffer
  readonly files: number
  /** Blobs that events name and that the log says are not kept any longer. */
  readonly dropped: number
}

/**
 * Copies what the newest checkpoint stands for to another directory: the checkpoint, its tiles and bundles, and the blobs
 * that its events refer to and that are kept. Works beside a running writer, since all that is read is immutable. Nothing is verified here.
 *
 * @param target a directory that is empty or does not exist yet
 * @throws LineageError `LINEAGE_ABSENT` without a checkpoint, `BLOB_ABSENT`, `BLOB_DAMAGED`, `BUNDLE_MALFORMED`, `EVENT_INVALID`
 */
export async function exportLog(directory: string, target: string): Promise<ExportSummary> {
  await mkdir(target, { recursive: true })
  if ((await readdir(target)).length > 0) {
    throw new LineageError('RANGE_INVALID', `${target} is not empty`, { at: target })
  }
  const { note, size, root } = readNewest(directory)
  let files = 0
  const put = async (path: string, bytes: Buffer) => {
    await mkdir(dirname(join(target, path)), { recursive: true })
    await writeFile(join(target, path), bytes, { flag: 'wx', mode: 0o640 })
    files++
  }
  const blobs = new NamedBlobs()
  for (const name of tilesOf(size)) {
    const bytes = await readTile(directory, name)
    await put(tilePath(name), bytes)
    if (name.level !== 'entries') continue
    for (const [i, entry] of decodeBundle(bytes, name.width).entries())
      blobs.take(parseEvent(entry), name.index * TILE_WIDTH + i)
  }
  let dropped = 0
  for (const digest of blobs.newest.keys()) {
    const bytes = await readBlob(directory, digest).catch(error => {
      if (isAbsent(error) && blobs.entryOf(digest) !== undefined) return null
      throw error
    })
    if (bytes === null) dropped++
    else await put(blobPath(digest), bytes)
  }
  // The PCR values of the checkpoint itself, which no entry names yet.
  const own = pcrsBlob(parseCheckpoint(note))
  if (own !== null && !blobs.newest.has(own)) {
    const bytes = await readBlob(directory, own).catch(error => {
      if (isAbsent(error)) return null
      throw error
    })
    if (bytes !== null) await put(blobPath(own), bytes)
  }
  await put('checkpoint', note)
  return { size, root, files, dropped }
}

function readNewest(directory: string): { note: Buffer; size: number; root: Buffer } {
  let note: Buffer
  try {
    note = readFileSync(layout(directory).checkpoint)
  } catch (cause) {
    throw new LineageError('LINEAGE_ABSENT', `there is no checkpoint in ${directory}`, {
      at: 'checkpoint',
      cause,
    })
  }
  const { size, root } = parseCheckpoint(note)
  return { note, size, root }
}

/** A tile or bundle of some width. A full one may have taken the place of a partial one, and begins with it. */
async function readTile(directory: string, name: TileName): Promise<Buffer> {
  const exact = await readOptional(directory, name)
  if (exact !== undefined) return exact
  const full = await readOptional(directory, { ...name, width: TILE_WIDTH })
  if (full === undefined) {
    throw new LineageError('LINEAGE_BROKEN', `${tilePath(name)} is missing`, { at: tilePath(name) })
  }
  return name.level === 'entries'
    ? encodeBundle(decodeBundle(full, name.width, false))
    : full.subarray(0, name.width * HASH_SIZE)
}

async function readOptional(directory: string, name: TileName): Promise<Buffer | undefined> {
  const path = tilePath(name)
  try {
    return await readBounded(join(directory, path), MAX_BUNDLE_BYTES, path)
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof LineageError && error.code === 'BLOB_ABSENT'
}
