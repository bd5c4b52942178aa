import { type Look, seen } from './look.ts'
import type { FileProbe } from './probes.ts'

/** Where the v2 hierarchy is: alone, or beside v1 (native/launchd/cgroup.c). */
const PLACES = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'] as const

export interface CgroupFacts {
  readonly path: string
  /** Controllers of v1 are beside it, and what they have is not in it. */
  readonly hybrid: boolean
  readonly controllers: readonly string[]
}

/** What limits of artifacts are made of. */
const CONTROLLERS = ['memory', 'pids', 'cpu'] as const

/** The controllers that artifacts may need and the hierarchy has not. */
export function lackingControllers({ controllers }: CgroupFacts): readonly string[] {
  return CONTROLLERS.filter(name => !controllers.includes(name))
}

/** The cgroup v2 hierarchy; `missing` where there is none. */
export async function readCgroup(files: FileProbe): Promise<Look<CgroupFacts>> {
  const [alone, hybrid] = PLACES
  const found = await files.read(`${alone}/cgroup.controllers`)
  const other = found.seen ? found : await files.read(`${hybrid}/cgroup.controllers`)
  if (!found.seen && !other.seen) return found.why === 'missing' ? other : found
  if (!other.seen) return other
  const controllers = other.value
    .toString('latin1')
    .split(/\s+/)
    .filter(name => name !== '')
  return seen({ path: found.seen ? alone : hybrid, hybrid: !found.seen, controllers })
}
