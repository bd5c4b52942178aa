import { lstatSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { LineageError } from '../error.ts'
import { errno } from './io.ts'

/** Directories that the writer relies on being its own, and files that are opened by name. */
const DIRECTORIES = ['', 'state', 'state/tail', 'state/tmp', 'tile', 'evidence']
const FILES = ['state/lock']

/**
 * Checks that no part of the lineage's directory is a link to elsewhere, and that nobody but the process's user and root can put files there.
 *
 * @throws LineageError `LINEAGE_BROKEN` for a link or another kind of file, `LINEAGE_UNAVAILABLE` for other owners or permissions
 */
export function checkPlaces(directory: string): void {
  for (const name of DIRECTORIES) check(join(directory, name), name || '.', 'isDirectory')
  for (const name of FILES) check(join(directory, name), name, 'isFile')
}

function check(path: string, at: string, kind: 'isDirectory' | 'isFile'): void {
  const stat = lstat(path)
  if (stat === undefined) return
  if (!stat[kind]()) {
    const what = kind === 'isFile' ? 'no regular file' : 'no directory'
    throw new LineageError('LINEAGE_BROKEN', `${at} is ${what}`, { at })
  }
  const user = process.geteuid?.() ?? 0
  // Root opens the log of whatever user the daemon has; to a daemon, its own user and root are the only ones who may have made it.
  if (user !== 0 && stat.uid !== 0 && stat.uid !== user)
    throw new LineageError('LINEAGE_UNAVAILABLE', `${at} belongs to uid ${stat.uid}, not to ${user}`, { at })
  if ((stat.mode & 0o022) !== 0)
    throw new LineageError('LINEAGE_UNAVAILABLE', `${at} can be written by others than its owner`, { at })
}

/** Whether there is something of this name. A system call that fails says nothing, and is thrown. */
export function isThere(path: string): boolean {
  return lstat(path) !== undefined
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined
    throw error
  }
}
