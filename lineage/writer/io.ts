import fs from 'node:fs'
import { promisify } from 'node:util'

/**
 * The system calls that durability depends on, apart from the rest so that each can be made to fail in tests, before
 * and after it took effect. Everything else reads through `node:fs`.
 */
export interface Io {
  /** open(2). */
  open(path: string, flags: number, mode?: number): Promise<number>
  /** pwrite(2) until all is written; on the caller's thread, since it only copies into the page cache. */
  write(fd: number, bytes: Uint8Array, position: number): void
  /** The same on a pool thread, for what is large. */
  writeLarge(fd: number, bytes: Uint8Array, position: number): Promise<void>
  fdatasync(fd: number): Promise<void>
  fsync(fd: number): Promise<void>
  close(fd: number): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  mkdir(path: string, mode: number): Promise<void>
}

const write = promisify(fs.write) as (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<{ bytesWritten: number }>

export const systemIo: Io = {
  open: promisify(fs.open) as Io['open'],
  write(fd, bytes, position) {
    let done = 0
    while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
  },
  async writeLarge(fd, bytes, position) {
    let done = 0
    while (done < bytes.length) {
      const { bytesWritten } = await write(fd, bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  },
  fdatasync: promisify(fs.fdatasync),
  fsync: promisify(fs.fsync),
  close: promisify(fs.close),
  rename: promisify(fs.rename),
  unlink: promisify(fs.unlink),
  mkdir: promisify(fs.mkdir) as Io['mkdir'],
}

/** The errno name of a failed system call, or undefined. */
export function errno(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/**
 * Whether a failure is only a lack of space. A failed fsync or fdatasync never is, whatever its errno: the kernel may have dropped the
 * dirty pages and will report success the next time (fsync(2); Rebello et al., "Can Applications Recover from fsync
 * Failures?", USENIX ATC 2020).
 */
export function isDiskFull(error: unknown): boolean {
  const call = error instanceof Error && 'syscall' in error ? error.syscall : undefined
  const code = errno(error)
  return (code === 'ENOSPC' || code === 'EDQUOT') && call !== 'fsync' && call !== 'fdatasync'
}
