import { existsSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sha256Hex } from '../encoding/digest.ts'
import { blobPath, readBlob, readBounded } from './blob-store.ts'
import { decodeBundle } from './c2sp/entry-bundle.ts'
import { TILE_WIDTH, tilePath, tilesOf } from './c2sp/tile-path.ts'
import { parseCheckpoint, pcrsBlob } from './checkpoint.ts'
import { LineageError } from './error.ts'
import { parseEvent } from './events/index.ts'
import { LogFiles } from './log-files.ts'
import { NamedBlobs } from './verify/dropped.ts'
import { errno } from './writer/io.ts'
import { takeWriterLock } from './writer/lock.ts'

/** What is being imported, not yet in the archive. */
export interface StagedImport {
  /** Holds `lineage`, and `host` if there is one: what will be kept, byte for byte. To be verified before {@link commit}. */
  readonly directory: string
  /** What the archive has of this log; null if nothing. */
  readonly before: LogFiles | null
  /** Puts it in the place of what the archive has, durably: a crash leaves the one or the other. Gives where it is. */
  commit(): Promise<string>
  /** Forgets it. What is in the archive stays as it was. */
  discard(): Promise<void>
}

/** Below an archive: what is being imported, and what is being replaced. */
const INCOMING = '.incoming'
const PREVIOUS = '.previous'
const LOG = 'lineage'
const HOST = 'host'
const MAX_HOST_FILE = 1 << 20
/** What is kept is not written to again. */
const MODE = 0o440

/** Most bytes of a file's name on Linux are 255. */
const MAX_NAME = 200

/** The name of a log's directory in an archive: its origin, with all but plain characters as %XX, so that no two are one. None begins with a dot. */
export function archiveName(origin: string): string {
  const name = Array.from(Buffer.from(origin, 'utf8'), (byte, i) => {
    const text = String.fromCharCode(byte)
    return /^[A-Za-z0-9_-]$/.test(text) || (text === '.' && i > 0)
      ? text
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')
  return name.length <= MAX_NAME
    ? name
    : `${name.slice(0, MAX_NAME / 2)}~${sha256Hex(Buffer.from(origin, 'utf8'))}`
}

/**
 * Copies a log to where an archive prepares what comes in. What the archive has already (full tiles and evidence, also such that the log has
 * dropped since) is linked, not copied. Nothing is verified here: that is for the caller to do with the copy, so that what was looked at is what is
 * kept. One import at a time; one that was cut short is gone on with.
 *
 * @param source the log's directory, and the host's beside it if there is one; controlled by whoever made them
 * @throws LineageError `LINEAGE_LOCKED`, `LINEAGE_ABSENT`, `LINEAGE_BROKEN`, `BLOB_ABSENT`, `BLOB_DAMAGED`, `BUNDLE_MALFORMED`, `EVENT_INVALID`
 */
export async function stageImport(
  source: { readonly log: string; readonly host: string | null },
  archive: string,
): Promise<StagedImport> {
  await mkdir(archive, { recursive: true, mode: 0o750 })
  const lock = takeWriterLock(join(archive, '.lock'))
  try {
    const from = await LogFiles.open(source.log)
    const name = archiveName(from.origin)
    const place = join(archive, name)
    await settle(archive, name)
    const before = existsSync(place) ? await LogFiles.open(join(place, LOG)) : null
    const directory = join(archive, INCOMING, name)
    const stage = new Stage(join(directory, LOG), before === null ? null : join(place, LOG))
    await stageLog(from, stage)
    await stage.sweep()
    if (source.host !== null) await stageHost(source.host, join(directory, HOST))
    return {
      directory,
      before,
      async commit() {
        await syncTree(directory)
        await mkdir(join(archive, PREVIOUS), { recursive: true })
        if (before !== null) await rename(place, join(archive, PREVIOUS, name))
        await rename(directory, place)
        await sync(archive)
        await rm(join(archive, PREVIOUS, name), { recursive: true, force: true })
        lock.release()
        return place
      },
      async discard() {
        await rm(directory, { recursive: true, force: true })
        lock.release()
      },
    }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** After an import that was cut short between its two renames, what was there before is put back. */
async function settle(archive: string, name: string): Promise<void> {
  const previous = join(archive, PREVIOUS, name)
  if (!existsSync(previous)) return
  if (existsSync(join(archive, name))) await rm(previous, { recursive: true })
  else await rename(previous, join(archive, name))
}

async function stageLog(from: LogFiles, stage: Stage): Promise<void> {
  const own = isOwn(from.note)
  const blobs = new NamedBlobs()
  for (const name of tilesOf(from.size)) {
    const path = tilePath(name)
    const isBundle = name.level === 'entries'
    // A log of another make may have no entries, or in another form.
    if (isBundle && !own && !existsSync(join(from.directory, 'tile/entries'))) continue
    const isKept = name.width === TILE_WIDTH && (await stage.keep(path))
    if (isKept && !(isBundle && own)) continue
    const bytes = await from.tileFile(name)
    if (!isKept) await stage.put(path, bytes)
    if (!isBundle || !own) continue
    for (const [i, entry] of decodeBundle(bytes, name.width).entries())
      blobs.take(parseEvent(entry), name.index * TILE_WIDTH + i)
  }
  if (own) await stageBlobs(from, stage, blobs)
  await stage.put('checkpoint', from.note)
}

async function stageBlobs(from: LogFiles, stage: Stage, blobs: NamedBlobs): Promise<void> {
  const pcrs = pcrsBlob(parseCheckpoint(from.note))
  for (const digest of new Set([...blobs.newest.keys(), ...(pcrs === null ? [] : [pcrs])])) {
    if (await stage.keep(blobPath(digest))) continue
    const bytes = await readBlob(from.directory, digest).catch(error => {
      const mayLack = !blobs.newest.has(digest) || blobs.entryOf(digest) !== undefined
      if (mayLack && error instanceof LineageError && error.code === 'BLOB_ABSENT') return null
      throw error
    })
    if (bytes !== null) await stage.put(blobPath(digest), bytes)
  }
}

/** Whether a checkpoint is of this project's form. */
function isOwn(note: Buffer): boolean {
  try {
    parseCheckpoint(note)
    return true
  } catch {
    return false
  }
}

async function stageHost(host: string, target: string): Promise<void> {
  await rm(target, { recursive: true, force: true })
  for (const name of await readdir(host)) {
    await writeWhole(join(target, name), await readBounded(join(host, name), MAX_HOST_FILE, name))
  }
}

/** The files of one log on their way in. */
class Stage {
  readonly #directory: string
  readonly #archived: string | null
  readonly #paths = new Set<string>()

  constructor(directory: string, archived: string | null) {
    this.#directory = directory
    this.#archived = archived
  }

  /** Takes an immutable file that is here already, or that the archive has; false if there is none. */
  async keep(path: string): Promise<boolean> {
    const target = join(this.#directory, path)
    if (!existsSync(target)) {
      const archived = this.#archived === null ? null : join(this.#archived, path)
      if (archived === null || !existsSync(archived)) return false
      await mkdir(dirname(target), { recursive: true })
      // Some file systems have no links.
      await link(archived, target).catch(() => copyFile(archived, target))
    }
    this.#paths.add(path)
    return true
  }

  async put(path: string, bytes: Buffer): Promise<void> {
    await writeWhole(join(this.#directory, path), bytes)
    this.#paths.add(path)
  }

  /** Removes what an import of something else left here when it was cut short. */
  async sweep(): Promise<void> {
    const items = await readdir(this.#directory, { recursive: true, withFileTypes: true })
    for (const item of items) {
      const path = join(item.parentPath, item.name)
      if (!item.isDirectory() && !this.#paths.has(path.slice(this.#directory.length + 1))) await rm(path)
    }
    for (const item of items.reverse()) {
      if (!item.isDirectory()) continue
      const path = join(item.parentPath, item.name)
      if ((await readdir(path)).length === 0) await rm(path, { recursive: true })
    }
  }
}

/** Makes a file under its name only when it is whole and durable. */
async function writeWhole(path: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 })
  const temporary = `${path}.new`
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx', MODE)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

/** Makes the names in a directory and all below it durable. */
async function syncTree(directory: string): Promise<void> {
  for (const item of await readdir(directory, { withFileTypes: true }))
    if (item.isDirectory()) await syncTree(join(directory, item.name))
  await sync(directory)
}

async function sync(directory: string): Promise<void> {
  const handle = await open(directory)
  try {
    await handle.sync()
  } catch (error) {
    if (errno(error) !== 'EINVAL') throw error
  } finally {
    await handle.close()
  }
}
