import { DatabaseSync } from 'node:sqlite'
import { LineageError } from '../error.ts'

/** Held until {@link WriterLock.release}, or until the process ends in whatever way. */
export interface WriterLock {
  release(): void
}

/**
 * Takes the one writer's lock of a directory.
 *
 * Node has no flock(2) and no fcntl(2) locks of its own, and a file with a pid in it cannot be taken over without a race. SQLite's exclusive lock
 * is an fcntl lock, which the kernel drops when the process dies; nothing is ever stored in the file. SQLite also refuses a
 * second lock within one process, which bare fcntl locks do not.
 *
 * @throws LineageError `LINEAGE_LOCKED`
 */
export function takeWriterLock(path: string): WriterLock {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('PRAGMA journal_mode=MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    database?.close()
    // SQLITE_BUSY (5), sqlite.org/rescode.html; anything else says that no lock can be had here.
    const busy = cause instanceof Error && 'errcode' in cause && cause.errcode === 5
    throw new LineageError(
      busy ? 'LINEAGE_LOCKED' : 'LINEAGE_UNAVAILABLE',
      busy ? 'another writer has this lineage open' : `the lock cannot be taken: ${String(cause)}`,
      { at: path, cause },
    )
  }
  const held = database
  return { release: () => held.close() }
}
