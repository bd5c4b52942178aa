import { execFileSync } from 'node:child_process'
import { realpathSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { systemReason } from '../files.ts'

/** A user, as far as the mode of a file asks. */
export interface Identity {
  readonly uid: number
  readonly gids: readonly number[]
}

/** A uid with its groups: those that the system's databases give it, and `gid` in any case. */
export function identityOf(uid: number, gid: number): Identity {
  try {
    const groups = execFileSync('id', ['-G', '--', String(uid)], { encoding: 'utf8', stdio: 'pipe' })
    return { uid, gids: [gid, ...groups.trim().split(' ').map(Number)] }
  } catch {
    // A uid without an entry has the groups that it is started with.
    return { uid, gids: [gid] }
  }
}

/** Bits of a mode for one class (inode(7)). */
export const READ = 4
export const WRITE = 2
const SEARCH = 1

/**
 * Why a user may not use a file so, by the modes on the way to it; null if it may. Access control lists and security modules are
 * not looked at, nor is what the user of this tool may not see.
 *
 * @param bits {@link READ}, {@link WRITE}
 */
export function whyNoAccess(path: string, user: Identity, bits: number): string | null {
  if (user.uid === 0) return null
  try {
    const target = realpathSync(path)
    for (let at = dirname(target); ; at = dirname(at)) {
      if (!allows(statSync(at), user, SEARCH)) return `uid ${user.uid} may not enter ${at}`
      if (at === dirname(at)) break
    }
    const stat = statSync(target)
    if (allows(stat, user, bits)) return null
    const what = (bits & WRITE) === 0 ? 'read' : 'read and write'
    return `uid ${user.uid} may not ${what} ${path} (mode ${modeText(stat)}, of uid ${stat.uid})`
  } catch (error) {
    return isDenied(error) ? null : `${path}: ${systemReason(error)}`
  }
}

/** Whether it is the user of this tool, not the daemon's, that may not look. */
export function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EACCES'
}

export function modeText({ mode }: Pick<Stats, 'mode'>): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}

function allows(stat: Stats, { uid, gids }: Identity, bits: number): boolean {
  const shift = stat.uid === uid ? 6 : gids.includes(stat.gid) ? 3 : 0
  return ((stat.mode >> shift) & bits) === bits
}
