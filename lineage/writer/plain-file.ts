import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { LineageError } from '../error.ts'
import { errno } from './io.ts'

/**
 * A link is not followed: what it leads to is not the log's. Nor does it wait for whoever would write into a pipe (open(2), O_NONBLOCK
 * does nothing to regular files).
 */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * The whole of one of the log's own files, or undefined where there is none.
 *
 * @param at its name in messages, relative to the lineage's directory
 * @throws LineageError `LINEAGE_BROKEN` for what is no regular file; `LINEAGE_UNAVAILABLE` when the system call failed: then the disk says
 * nothing about the log
 */
export async function readPlainFile(path: string, at: string): Promise<Buffer | undefined> {
  try {
    const file = await open(path, FLAGS)
    try {
      assertRegular(await file.stat(), at)
      return await file.readFile()
    } finally {
      await file.close()
    }
  } catch (error) {
    return absentOr(error, at)
  }
}

/** The same on the caller's thread: at a start there is nobody who would wait. */
export function readPlainFileSync(path: string, at: string): Buffer | undefined {
  try {
    const fd = openSync(path, FLAGS)
    try {
      assertRegular(fstatSync(fd), at)
      return readFileSync(fd)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    return absentOr(error, at)
  }
}

function assertRegular(stat: { isFile(): boolean }, at: string): void {
  if (!stat.isFile()) throw notRegular(at)
}

function notRegular(at: string, cause?: unknown): LineageError {
  return new LineageError('LINEAGE_BROKEN', `${at} is not a regular file`, { at, cause })
}

function absentOr(error: unknown, at: string): undefined {
  if (error instanceof LineageError) throw error
  const code = errno(error)
  // ENOTDIR: a file where one of the directories above it belongs, which those that list the directory tell of.
  if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
  // open(2): a symbolic link; a socket, or a device that is none.
  if (code === 'ELOOP' || code === 'ENXIO') throw notRegular(at, error)
  throw new LineageError('LINEAGE_UNAVAILABLE', `${at} cannot be read: ${String(error)}`, {
    at,
    cause: error,
  })
}
