import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'

const SHARED_MEMORY = '/dev/shm'
/** More than all test files have there at once. */
const ROOM = 1 << 30

/**
 * Where temporary directories of tests go that wait for the disk only because every entry of a log is synced to it: into memory, or,
 * where there is little of it, to the others. Nothing in them can be run by an execution, which has a `/dev` of its own.
 */
export function memoryDirectory(): string {
  try {
    const { bsize, bavail } = statfsSync(SHARED_MEMORY)
    return bsize * bavail > ROOM ? SHARED_MEMORY : tmpdir()
  } catch {
    return tmpdir()
  }
}
