import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import type { ImageSource } from '../attestation/index.ts'
import { CliError } from './error.ts'
import { systemReason } from './files.ts'

/** Grows to the longest piece that is asked for, which the readers of images bound to a megabyte. */
const FIRST_PIECE = 64 << 10

/**
 * Opens an image and has it read in pieces, whatever its size; it is closed when `use` is done. Each piece overwrites the one before.
 *
 * @throws CliError with the path in `at`, also when the file gets shorter while it is read
 */
export function withImage<T>(path: string, what: string, use: (image: ImageSource) => T): T {
  const unreadable = (why: string, cause?: unknown): CliError => {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const code = missing ? 'FILE_MISSING' : 'FILE_UNREADABLE'
    return new CliError(code, `cannot use ${path} as ${what}: ${why}`, { at: path, cause })
  }
  let file: number
  try {
    // Non-blocking, so that a named pipe is refused instead of waited for.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw unreadable(systemReason(cause), cause)
  }
  try {
    const info = fstatSync(file)
    if (!info.isFile()) throw unreadable('it is not a regular file')
    let piece = Buffer.allocUnsafe(FIRST_PIECE)
    const read = (offset: number, length: number): Buffer => {
      if (piece.length < length) piece = Buffer.allocUnsafe(length)
      for (let done = 0; done < length; ) {
        const count = readPiece(file, piece, done, length - done, offset + done)
        if (count === 0) throw unreadable('it got shorter while it was read')
        done += count
      }
      return piece.subarray(0, length)
    }
    return use({ size: info.size, read })
  } finally {
    closeSync(file)
  }

  function readPiece(fd: number, into: Buffer, at: number, length: number, position: number): number {
    try {
      return readSync(fd, into, at, length, position)
    } catch (cause) {
      throw unreadable(systemReason(cause), cause)
    }
  }
}
