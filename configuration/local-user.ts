import { readFileSync } from 'node:fs'

/** A user's ids by its name; null if there is none. */
export type FindUser = (name: string) => { readonly uid: number; readonly gid: number } | null

/** As fgetpwent(3) reads it: seven fields, ids as decimal numbers. */
const LINE = /^([^:]+):[^:]*:([0-9]{1,10}):([0-9]{1,10}):[^:]*:[^:]*:[^:]*$/

/**
 * Looks a user up in this host's own file alone, as writ-launchd does (native/launchd/config.c): a directory service may be away when the
 * launcher starts.
 */
export const localUser: FindUser = name => {
  for (const line of readFileSync('/etc/passwd', 'latin1').split('\n')) {
    const [, found, uid, gid] = LINE.exec(line) ?? []
    if (found === name) return { uid: Number(uid), gid: Number(gid) }
  }
  return null
}
