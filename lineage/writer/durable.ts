import { constants, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { errno, type Io } from './io.ts'

const { O_WRONLY, O_CREAT, O_EXCL, O_TRUNC, O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants

/** fsync of a directory: makes the names in it durable (fsync(2), NOTES on directories). */
export async function syncDirectory(io: Io, path: string): Promise<void> {
  const fd = await io.open(path, O_RDONLY | O_DIRECTORY)
  try {
    await io.fsync(fd)
  } finally {
    await io.close(fd)
  }
}

/** Makes a directory and those above it, and each new name durable. */
export async function makeDirectory(io: Io, path: string, mode = 0o750): Promise<void> {
  if (existsSync(path)) return
  await makeDirectory(io, dirname(path), mode)
  try {
    await io.mkdir(path, mode)
  } catch (error) {
    if (errno(error) !== 'EEXIST') throw error
  }
  await syncDirectory(io, dirname(path))
}

/** A file to be, whose directory exists. */
export interface NewFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Writes and syncs a file under a name in the scratch directory (same file system). */
async function stage(io: Io, temporary: string, bytes: Uint8Array): Promise<void> {
  const fd = await io.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o640)
  try {
    await io.writeLarge(fd, bytes, 0)
    await io.fsync(fd)
  } finally {
    await io.close(fd)
  }
}

/** Files that are synced at once, so that the file system can commit them together; one pool thread is left to the tail. */
const LANES = 3

let staged = 0

/**
 * Makes files durable: temporary file, fsync, rename, fsync of the directory, in that order, so that after a crash each
 * path holds its old content or its whole new one. Directories are synced once for all files in them.
 *
 * @param scratch a directory on the same file system, swept at the next start
 */
export async function writeDurably(io: Io, scratch: string, files: readonly NewFile[]): Promise<void> {
  const waiting = files.values()
  const renames: [string, string][] = []
  // Iterating one iterator in several lanes hands each file to one lane.
  const lane = async () => {
    for (const { path, bytes } of waiting) {
      const temporary = join(scratch, `${process.pid}-${staged++}`)
      renames.push([temporary, path])
      await stage(io, temporary, bytes)
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, lane))
  const failed = lanes.find(ended => ended.status === 'rejected')
  if (failed !== undefined) {
    // On a full disk, where half of each is left, every further try would take more of what room there is.
    for (const [temporary] of renames) await io.unlink(temporary).catch(() => undefined)
    throw failed.reason
  }
  for (const [from, to] of renames) await io.rename(from, to)
  for (const directory of new Set(files.map(({ path }) => dirname(path)))) await syncDirectory(io, directory)
}

/** Removes a file if it is there, and makes that durable. */
export async function removeDurably(io: Io, path: string): Promise<void> {
  try {
    await io.unlink(path)
  } catch (error) {
    if (errno(error) === 'ENOENT') return
    throw error
  }
  await syncDirectory(io, dirname(path))
}

export const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
