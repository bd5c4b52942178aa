import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, open, readdir, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { WritError } from '../encoding/error.ts'
import { CliError } from './error.ts'

/** Most bytes of a document that a command reads whole. */
export const MAX_DOCUMENT_BYTES = 8 << 20

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ELOOP: 'too many symbolic links',
  ENOSPC: 'no space is left on the device',
  EROFS: 'the file system is read-only',
  ENAMETOOLONG: 'the name is too long',
}

/** What the system said, in words. */
export function systemReason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error))
}

/**
 * Reads a whole regular file, at most `maxBytes`.
 *
 * @param what names its role in errors, for example `the artifact`
 * @throws CliError with the path in `at`
 */
export async function readDocument(
  path: string,
  what: string,
  maxBytes = MAX_DOCUMENT_BYTES,
): Promise<Buffer> {
  let file: FileHandle | undefined
  try {
    // Non-blocking, so that a named pipe is refused instead of waited for.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const info = await file.stat()
    if (!info.isFile()) throw fileError('FILE_UNREADABLE', path, what, 'it is not a regular file')
    if (info.size > maxBytes) {
      throw fileError('FILE_TOO_LARGE', path, what, `it has ${info.size} bytes, at most ${maxBytes} are read`)
    }
    const bytes = await readAtMost(file, maxBytes + 1)
    if (bytes.length > maxBytes) {
      throw fileError('FILE_TOO_LARGE', path, what, `it has more than ${maxBytes} bytes`)
    }
    return bytes
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw fileError(missing ? 'FILE_MISSING' : 'FILE_UNREADABLE', path, what, systemReason(cause), cause)
  } finally {
    await file?.close()
  }
}

/** Files below /sys and /proc have no size, so the length is found by reading. */
async function readAtMost(file: FileHandle, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let total = 0
  while (total < limit) {
    const chunk = Buffer.allocUnsafe(Math.min(1 << 16, limit - total))
    const { bytesRead } = await file.read(chunk, 0, chunk.length)
    if (bytesRead === 0) break
    chunks.push(chunk.subarray(0, bytesRead))
    total += bytesRead
  }
  return Buffer.concat(chunks)
}

function fileError(
  code: 'FILE_MISSING' | 'FILE_UNREADABLE' | 'FILE_TOO_LARGE' | 'FILE_MALFORMED' | 'NOT_VERIFIED',
  path: string,
  what: string,
  why: string,
  cause?: unknown,
): CliError {
  return new CliError(code, `cannot use ${path} as ${what}: ${why}`, { at: path, cause })
}

/**
 * Reads a file and makes something of its bytes; what the maker finds wrong is reported with the file's name.
 *
 * @param wrong what that means: that the file cannot be used here, or, where the command is asked to judge the file, its answer
 * @throws CliError
 */
export async function readAs<T>(
  path: string,
  what: string,
  make: (bytes: Buffer) => T | Promise<T>,
  maxBytes?: number,
  wrong: 'FILE_MALFORMED' | 'NOT_VERIFIED' = 'FILE_MALFORMED',
): Promise<T> {
  const bytes = await readDocument(path, what, maxBytes)
  try {
    return await make(bytes)
  } catch (cause) {
    if (cause instanceof WritError && !(cause instanceof CliError)) {
      throw fileError(wrong, path, what, `${cause.message} [${cause.code}]`, cause)
    }
    throw cause
  }
}

/**
 * Has what this process makes, and what the programs make that it starts, the modes that are meant for it, whatever the umask of the shell or the
 * service that started it: directories that are made on the way, links that systemctl sets, what a boot loader is told.
 */
export function setUsualUmask(): void {
  process.umask(0o022)
}

export interface WriteOptions {
  /** Permission bits, exactly (the umask does not widen or narrow them). */
  mode?: number
  /** Whether a file of that name may be replaced. */
  replace?: boolean
}

/** How {@link writeDocument} calls a file until it is whole: the name with this behind it. */
export const TEMPORARY = /\.[0-9a-f]{12}\.new$/

/**
 * Removes what a process that was killed in {@link writeDocument} left beside a file: half of it, or all of it under a second name. The
 * file itself is not touched.
 *
 * @returns what was removed
 */
export async function removeLeftovers(path: string): Promise<string[]> {
  const left = await leftoversOf(path)
  for (const file of left) await unlink(file)
  return left
}

/** What {@link removeLeftovers} would remove. */
export async function leftoversOf(path: string): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(() => [])
  return names
    .filter(name => TEMPORARY.test(name) && name.replace(TEMPORARY, '') === basename(path))
    .map(name => join(dirname(path), name))
}

/**
 * Writes a whole file: under a temporary name, synced, then given its name, so that no reader sees half of it. Unless
 * `replace` is given, a file that exists is left alone and reported.
 *
 * @throws CliError with the path in `at`
 */
export async function writeDocument(
  path: string,
  bytes: Uint8Array | string,
  options: WriteOptions = {},
): Promise<void> {
  const { mode = 0o644, replace = false } = options
  const temporary = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    const file = await open(temporary, 'wx', mode)
    try {
      await file.chmod(mode)
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    // link(2) fails when the name is taken, which rename(2) does not.
    if (replace) await rename(temporary, path)
    else await link(temporary, path)
    const directory = await open(dirname(path))
    await directory.sync().finally(() => directory.close())
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') {
      throw new CliError('FILE_EXISTS', `${path} exists and is not overwritten`, {
        at: path,
        cause,
        next: 'Choose another name, or move the file away first.',
      })
    }
    throw new CliError('FILE_UNWRITABLE', `cannot write ${path}: ${systemReason(cause)}`, { at: path, cause })
  } finally {
    await unlink(temporary).catch(() => {})
  }
}
