import type { Io } from '../../lineage/index.ts'
import type { Instruments } from './instruments.ts'

/** The same system calls, with the time of each sync and what failed noted. */
export function watchedIo(io: Io, { sync, syncErrors }: Pick<Instruments, 'sync' | 'syncErrors'>): Io {
  const failed = (error: unknown): never => {
    syncErrors.add()
    throw error
  }
  const timed = async (call: Promise<void>): Promise<void> => {
    const begun = performance.now()
    try {
      await call
    } catch (error) {
      failed(error)
    } finally {
      sync.observe((performance.now() - begun) / 1000)
    }
  }
  return {
    ...io,
    write(fd, bytes, position) {
      try {
        io.write(fd, bytes, position)
      } catch (error) {
        failed(error)
      }
    },
    writeLarge: (fd, bytes, position) => io.writeLarge(fd, bytes, position).catch(failed),
    fdatasync: fd => timed(io.fdatasync(fd)),
    fsync: fd => timed(io.fsync(fd)),
  }
}
