import { type FileProbe, type Look, lookFurther, seen, unseen } from '../probe/index.ts'

export interface User {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** The host's own users and groups: what the launcher and systemd-sysusers go by. A directory service is not asked. */
export interface Accounts {
  readonly users: readonly User[]
  readonly groups: readonly {
    readonly name: string
    readonly gid: number
    readonly members: readonly string[]
  }[]
}

const ID = /^[0-9]{1,10}$/

export async function readAccounts(files: FileProbe): Promise<Look<Accounts>> {
  const users = await lines(files, '/etc/passwd')
  const groups = await lines(files, '/etc/group')
  if (!users.seen) return users
  if (!groups.seen) return groups
  return seen({
    users: users.value.flatMap(([name = '', , uid = '', gid = '']) =>
      ID.test(uid) && ID.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [],
    ),
    groups: groups.value.flatMap(([name = '', , gid = '', members = '']) =>
      ID.test(gid) ? [{ name, gid: Number(gid), members: members.split(',').filter(m => m !== '') }] : [],
    ),
  })
}

async function lines(files: FileProbe, path: string): Promise<Look<string[][]>> {
  const bytes = await files.read(path)
  if (!bytes.seen) return unseen(bytes.why, `${path}: ${bytes.reason}`, bytes.code)
  return lookFurther(bytes, text =>
    text
      .toString('latin1')
      .split('\n')
      .map(line => line.split(':')),
  )
}

/** A user's groups: its own, and those that name it. */
export function groupsOf({ name, gid }: User, { groups }: Accounts): ReadonlySet<number> {
  return new Set([gid, ...groups.filter(({ members }) => members.includes(name)).map(group => group.gid)])
}
