import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { blobPath, readBlob } from './blob-store.ts'
import { decodeBundle } from './c2sp/entry-bundle.ts'
import { partialTilesOf, TILE_WIDTH, tilePath, tilesOf } from './c2sp/tile-path.ts'
import { type Checkpoint, parseCheckpoint, pcrsBlob } from './checkpoint.ts'
import { LineageError } from './error.ts'
import { parseEvent } from './events/index.ts'
import { LogFiles } from './log-files.ts'
import { verifyConsistency } from './tree/merkle.ts'
import { NamedBlobs } from './verify/dropped.ts'
import { errno } from './writer/io.ts'

/** What was exported. */
export interface ExportSummary {
  readonly size: number
  readonly root: Buffer
  /** Files that were written. */
  readonly files: number
  /** Blobs that events name and that the log says are not kept any longer. */
  readonly dropped: number
  /** Entries that the target had already. */
  readonly before: number
}

export interface ExportOptions {
  /** A checkpoint of the log: what it stands for is copied, instead of the newest. */
  readonly checkpoint?: Buffer
  /** Whether the target is an earlier export, which is brought up to this checkpoint. What it has already is not read again. */
  readonly onto?: boolean
}

/** Where files are made, below the target, before they get their names; gone when the export is whole. */
const INCOMING = '.incoming'

/**
 * Copies what a checkpoint stands for to another directory: the checkpoint, its tiles and bundles, and the blobs that its events refer to and that are
 * kept. Works beside a running writer, since all that is read is immutable. What is copied is not verified here; that the log goes on from what the
 * target has is. The checkpoint gets its name last: an export that was cut short is made whole by doing it again.
 *
 * @param target a directory that is empty or does not exist yet, or an earlier export
 * @throws LineageError `LINEAGE_ABSENT` without a checkpoint, `RANGE_INVALID` for a target that is not as said or a checkpoint beyond the log,
 *   `LINEAGE_BROKEN` when the log does not go on from the target's, or its tiles do not make the checkpoint; `BLOB_ABSENT`, `BLOB_DAMAGED`,
 *   `BUNDLE_MALFORMED`, `EVENT_INVALID`
 */
export async function exportLog(
  directory: string,
  target: string,
  options: ExportOptions = {},
): Promise<ExportSummary> {
  const files = await LogFiles.open(directory)
  const note = options.checkpoint ?? files.note
  const head = parseCheckpoint(note)
  if (options.checkpoint !== undefined) await checkHead(files, head)
  const before = options.onto === true ? await readTarget(target) : await prepare(target)
  const had = before?.size ?? 0
  if (before !== null) await checkGoesOn(files, before, head)
  const writer = new TargetWriter(target)
  await writer.begin()
  const blobs = new NamedBlobs()
  // The last bundle of before was not full: its new entries may name blobs.
  for (const name of tilesOf(head.size)) {
    const isThere = (name.index + 1) * TILE_WIDTH <= hashesOf(had, name.level)
    if (isThere) continue
    const bytes = await files.tileFile(name)
    await writer.put(tilePath(name), bytes)
    if (name.level !== 'entries') continue
    for (const [i, entry] of decodeBundle(bytes, name.width).entries())
      blobs.take(parseEvent(entry), name.index * TILE_WIDTH + i)
  }
  const dropped = await copyBlobs(directory, writer, blobs, pcrsBlob(head))
  if (before !== null) await dropPcrs(writer, before, head, blobs)
  await writer.dropPartials(had, head.size)
  await writer.put('checkpoint', note)
  await writer.end()
  return { size: head.size, root: head.root, files: writer.files, dropped, before: had }
}

/** Hashes, or entries, of a level in a tree of `size` entries. */
function hashesOf(size: number, level: number | 'entries'): number {
  return level === 'entries' ? size : Math.floor(size / TILE_WIDTH ** level)
}

async function checkHead(files: LogFiles, head: Checkpoint): Promise<void> {
  if (
    head.origin === files.origin &&
    head.size <= files.size &&
    (await files.rootAt(head.size)).equals(head.root)
  )
    return
  throw new LineageError(
    'RANGE_INVALID',
    `the checkpoint of ${head.size} entries of ${head.origin} is not one of this log`,
    {
      at: 'checkpoint',
    },
  )
}

async function prepare(target: string): Promise<null> {
  await mkdir(target, { recursive: true })
  if ((await readdir(target)).length === 0) return null
  throw new LineageError('RANGE_INVALID', `${target} is not empty`, { at: target })
}

/** An earlier export; one that was cut short before it had a checkpoint has nothing. */
async function readTarget(target: string): Promise<Checkpoint | null> {
  await mkdir(target, { recursive: true })
  const names = (await readdir(target)).filter(name => name !== INCOMING)
  if (names.includes('checkpoint')) return parseCheckpoint(await readFile(join(target, 'checkpoint')))
  if (names.every(name => name === 'tile' || name === 'evidence')) return null
  throw new LineageError('RANGE_INVALID', `${target} is not an export`, { at: target })
}

/** The tree goes on from what the target has: proved from the tiles that are about to be copied. */
async function checkGoesOn(files: LogFiles, before: Checkpoint, head: Checkpoint): Promise<void> {
  const refuse = (why: string) => {
    throw new LineageError('LINEAGE_BROKEN', `what was exported before cannot be extended: ${why}`, {
      at: 'checkpoint',
    })
  }
  if (before.origin !== head.origin) refuse(`it is of the log ${before.origin}, not of ${head.origin}`)
  if (before.size > head.size) refuse(`it has ${before.size} entries already, this checkpoint ${head.size}`)
  const holds = verifyConsistency({
    size1: BigInt(before.size),
    size2: BigInt(head.size),
    root1: before.root,
    root2: head.root,
    proof: await files.consistencyProof(before.size, head.size),
  })
  if (!holds) refuse(`the log does not go on from its ${before.size} entries: one of the two was forked`)
}

/**
 * Copies blobs that are not there yet, and counts those that the log says are not kept any longer.
 *
 * @param pcrs PCR values of the checkpoint itself, which no entry names yet; not every checkpoint has them
 */
async function copyBlobs(
  directory: string,
  writer: TargetWriter,
  blobs: NamedBlobs,
  pcrs: string | null,
): Promise<number> {
  let dropped = 0
  for (const digest of new Set([...blobs.newest.keys(), ...(pcrs === null ? [] : [pcrs])])) {
    const path = blobPath(digest)
    if (writer.has(path)) continue
    const named = blobs.newest.has(digest)
    const bytes = await readBlob(directory, digest).catch(error => {
      if (isAbsent(error) && (!named || blobs.entryOf(digest) !== undefined)) return null
      throw error
    })
    if (bytes !== null) await writer.put(path, bytes)
    else if (named) dropped++
  }
  return dropped
}

/** Removes the PCR values of the checkpoint of before, if no entry has come to name them: they would belong to nothing. */
async function dropPcrs(
  writer: TargetWriter,
  before: Checkpoint,
  head: Checkpoint,
  blobs: NamedBlobs,
): Promise<void> {
  const pcrs = pcrsBlob(before)
  if (pcrs === null || pcrs === pcrsBlob(head) || blobs.newest.has(pcrs) || !writer.has(blobPath(pcrs)))
    return
  const files = await LogFiles.open(writer.target)
  for await (const { bytes } of files.entries(0, before.size)) if (bytes.includes(pcrs)) return
  await writer.remove(blobPath(pcrs))
}

/** Makes files under their names only when they are whole. */
class TargetWriter {
  files = 0
  readonly target: string
  readonly #incoming: string
  #temporary = 0

  constructor(target: string) {
    this.target = target
    this.#incoming = join(target, INCOMING)
  }

  async begin(): Promise<void> {
    await rm(this.#incoming, { recursive: true, force: true })
    await mkdir(this.#incoming, { mode: 0o750 })
  }

  has(path: string): boolean {
    return existsSync(join(this.target, path))
  }

  async put(path: string, bytes: Buffer): Promise<void> {
    const temporary = join(this.#incoming, String(this.#temporary++))
    await writeFile(temporary, bytes, { flag: 'wx', mode: 0o640 })
    await mkdir(dirname(join(this.target, path)), { recursive: true })
    await rename(temporary, join(this.target, path))
    this.files++
  }

  /** Removes a file, and its directory if that was its last one. */
  async remove(path: string): Promise<void> {
    const file = join(this.target, path)
    await unlink(file).catch(ignoreAbsent)
    await rmdir(dirname(file)).catch(ignoreInUse)
  }

  /** Removes tiles that were not full in the tree of before and are longer in this one. */
  async dropPartials(before: number, size: number): Promise<void> {
    const partial = (of: number) => [...partialTilesOf(of)].map(tilePath)
    const now = new Set(partial(size))
    for (const path of partial(before)) {
      if (!now.has(path)) await this.remove(path)
    }
  }

  async end(): Promise<void> {
    await rm(this.#incoming, { recursive: true })
  }
}

function ignoreAbsent(error: unknown): void {
  if (errno(error) !== 'ENOENT') throw error
}

/** A longer tile is beside the one that went. */
function ignoreInUse(error: unknown): void {
  if (errno(error) !== 'ENOTEMPTY' && errno(error) !== 'ENOENT') throw error
}

function isAbsent(error: unknown): boolean {
  return error instanceof LineageError && error.code === 'BLOB_ABSENT'
}
