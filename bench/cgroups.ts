import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'

/** Where the v2 hierarchy is mounted: alone, or beside v1. */
const MOUNT =
  ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(path => existsSync(`${path}/cgroup.procs`)) ?? ''

/** Gives work a cgroup of its own to make cgroups in. */
export async function withCgroup<T>(name: string, work: (path: string) => Promise<T>): Promise<T> {
  const path = join(MOUNT, name)
  mkdirSync(path)
  try {
    return await work(path)
  } finally {
    rmdirSync(path)
  }
}

/** Directory of a process's cgroup. */
export function cgroupOf(pid: number): string {
  const line = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))
  return join(MOUNT, line?.[1] ?? '')
}
