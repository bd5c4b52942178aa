import type { ParentState } from './input.ts'
import { type Reason, reason } from './reason.ts'
import { networks, seccompProfiles } from './schema.ts'
import { isBelow, isWithin } from './scope.ts'
import type { LaunchTerms } from './terms.ts'

type Check = readonly [at: string, holds: (child: LaunchTerms, parent: LaunchTerms) => boolean]

/** `null` is no limit. */
function atMost(child: number | null, parent: number | null): boolean {
  return parent === null || (child !== null && child <= parent)
}

/** What a child may have, of what its parent has. In the order in which a denial lists them. */
const CHECKS: readonly Check[] = [
  ['user', ({ user }, parent) => user === 'own' || sameUser(user, parent.user)],
  ['sandbox.network', (child, parent) => isWithin(networks, child.sandbox.network, parent.sandbox.network)],
  [
    'sandbox.seccomp',
    (child, parent) => isWithin(seccompProfiles, child.sandbox.seccomp, parent.sandbox.seccomp),
  ],
  [
    'sandbox.writable',
    (child, parent) =>
      child.sandbox.writable.every(path => parent.sandbox.writable.some(top => isBelow(path, top))),
  ],
  ...(
    [
      'runTimeMs',
      'memoryBytes',
      'pids',
      'cpuSeconds',
      'openFiles',
      'outputBytes',
      'cpuPercent',
      'fileBytes',
    ] as const
  ).map(
    (name): Check => [`limits.${name}`, (child, parent) => atMost(child.limits[name], parent.limits[name])],
  ),
  ['devices', (child, parent) => child.devices.every(name => parent.devices.includes(name))],
  ['detach', (child, parent) => !child.detach || parent.detach],
  ['children', narrowerChildren],
  ['onLapse', narrowerLapse],
  ['maxEvidenceAgeMs', (child, parent) => atMost(child.maxEvidenceAgeMs, parent.maxEvidenceAgeMs)],
  ['notAfter', (child, parent) => child.notAfter <= parent.notAfter],
]

function sameUser(child: Exclude<LaunchTerms['user'], 'own'>, parent: LaunchTerms['user']): boolean {
  if (parent === 'own') return false
  const { uid, gid, groups } = child
  return uid === parent.uid && gid === parent.gid && groups.every(group => parent.groups.includes(group))
}

/** A shorter grace is narrower, and none the narrowest. */
function narrowerLapse({ onLapse: child }: LaunchTerms, { onLapse: parent }: LaunchTerms): boolean {
  if (child === 'kill') return true
  return parent !== 'kill' && child.freeze.graceMs <= parent.freeze.graceMs
}

function narrowerChildren({ children: child }: LaunchTerms, { children: parent }: LaunchTerms): boolean {
  if (child === 'none') return true
  if (parent === 'none' || child.depth >= parent.depth) return false
  const within = (name: 'max' | 'atOnce' | 'perMinute') =>
    parent[name] === 'any' || (child[name] !== 'any' && child[name] <= parent[name])
  if (!within('max') || !within('atOnce') || !within('perMinute')) return false
  if (parent.programs === 'any') return true
  const allowed = parent.programs
  return child.programs !== 'any' && child.programs.every(digest => allowed.includes(digest))
}

/** A child's terms against those that its parent was permitted under: nothing may be wider. */
export function checkNarrower(child: LaunchTerms, parent: ParentState): Reason[] {
  const out: Reason[] = []
  const { children } = parent.terms
  if (children === 'none') {
    out.push(reason('SCOPE_EXCEEDED', 'the parent may have no children', 'parent.children'))
  } else {
    const limits = [
      ['max', parent.childrenStarted, 'in its life'],
      ['atOnce', parent.childrenRunning, 'at one time'],
      ['perMinute', parent.childrenLastMinute, 'within a minute'],
    ] as const
    for (const [name, count, when] of limits) {
      const most = children[name]
      if (most !== 'any' && count >= most)
        out.push(
          reason(
            'SCOPE_EXCEEDED',
            `the parent may start ${most} children ${when}`,
            `parent.children.${name}`,
          ),
        )
    }
    if (children.programs !== 'any' && !children.programs.includes(child.program.sha256)) {
      out.push(reason('SCOPE_EXCEEDED', 'the parent may not start this program', 'parent.children.programs'))
    }
  }
  for (const [at, holds] of CHECKS) {
    if (!holds(child, parent.terms))
      out.push(reason('SCOPE_EXCEEDED', 'wider than the parent has it', `parent.${at}`))
  }
  return out
}
