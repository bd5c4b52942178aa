import { opened, type StatementChange } from './reference-change.ts'
import type { BootImages, BootKey, Firmware, SecureBoot, UkiStatement } from './statements.ts'

type NamedDigests = Exclude<BootImages, 'any'>[number] & { readonly shown?: string }

/** Things that are only listed. */
export function diffLists(
  what: string,
  before: readonly string[],
  after: readonly string[],
): StatementChange[] {
  const line = (kind: 'added' | 'removed', text: string): StatementChange => ({
    kind,
    text,
    pcr: null,
    digest: null,
  })
  return [
    ...after.filter(item => !before.includes(item)).map(item => line('added', `${what} ${item} is new`)),
    ...before.filter(item => !after.includes(item)).map(item => line('removed', `${what} ${item} is gone`)),
  ]
}

/**
 * Things with a name and digests, any of which is accepted. As many as before that have other names are the same ones under a new name.
 *
 * @param host whether `after` is of one boot: what it leaves out is a difference only where it has to be there
 */
export function diffImages(
  what: string,
  pcr: number,
  before: 'any' | readonly NamedDigests[],
  after: 'any' | readonly NamedDigests[],
  host: boolean,
): StatementChange[] {
  if (before === 'any' || after === 'any') {
    return before === after || host ? [] : [opened(what, after === 'any', pcr)]
  }
  const shown = ({ name, shown }: NamedDigests): string => shown ?? name
  const added = after.filter(item => !hasAll(before, item))
  const removed = before.filter(item => {
    return host ? !item.optional && !sharesAny(after, item) : !hasAll(after, item)
  })
  const paired = new Set<NamedDigests>()
  const changes: StatementChange[] = added.map(item => {
    const old =
      removed.find(one => !paired.has(one) && one.name === item.name) ??
      (before.length === after.length ? removed.find(one => !paired.has(one)) : undefined)
    const digest = item.digests.at(-1) ?? null
    if (old === undefined) {
      const known = before.find(one => one.name === item.name)
      const text =
        known === undefined
          ? `${what} ${shown(item)} is new: ${item.digests.join(' or ')}`
          : `${what} ${shown(item)} is another: ${item.digests.join(' or ')}`
      return { kind: 'added', text, pcr, digest }
    }
    paired.add(old)
    const renamed = shown(old) === shown(item) ? '' : ` (now ${shown(item)})`
    const text = `${what} ${shown(old)}${renamed} changed from ${old.digests.join(' or ')} to ${item.digests.join(' or ')}`
    return { kind: 'changed', text, pcr, digest }
  })
  const gone = removed
    .filter(item => !paired.has(item))
    .map((item): StatementChange => {
      return { kind: 'removed', text: `${what} ${shown(item)} is gone`, pcr, digest: null }
    })
  return [...changes, ...gone]
}

function hasAll(list: readonly NamedDigests[], { digests }: NamedDigests): boolean {
  const known = new Set(list.flatMap(item => item.digests))
  return digests.every(digest => known.has(digest))
}

function sharesAny(list: readonly NamedDigests[], { digests }: NamedDigests): boolean {
  return list.some(item => item.digests.some(digest => digests.includes(digest)))
}

export function diffFirmware(before: Firmware, after: Firmware, host: boolean): StatementChange[] {
  if (before === 'any' || after === 'any') {
    return before === after || host ? [] : [opened('firmware', after === 'any', 0)]
  }
  const contents = ({ events }: (typeof after)[number]): string =>
    events.map(({ pcr, digest }) => `${pcr} ${digest}`).join()
  const known = new Set(before.map(contents))
  const now = new Set(after.map(contents))
  const added = after.filter(one => !known.has(contents(one)))
  const removed = before.filter(one => !now.has(contents(one)))
  const [old] = removed
  const [next] = added
  if (old !== undefined && next !== undefined && added.length === 1 && (host || removed.length === 1)) {
    return [0, 2].flatMap(pcr => {
      const of = (events: (typeof old)['events']) =>
        events.filter(event => event.pcr === pcr).map(({ name, digest }) => ({ name, digests: [digest] }))
      return diffImages('firmware:', pcr, of(old.events), of(next.events), false)
    })
  }
  const line = (kind: 'added' | 'removed', name: string, verb: string): StatementChange => ({
    kind,
    text: `firmware ${name} is ${verb}`,
    pcr: 0,
    digest: null,
  })
  return [
    ...added.map(({ name }) => line('added', name, 'accepted now')),
    ...(host ? [] : removed.map(({ name }) => line('removed', name, 'no longer accepted'))),
  ]
}

const SECURE_BOOT_PCR = 7

export function diffSecureBoot(before: SecureBoot, after: SecureBoot, host: boolean): StatementChange[] {
  const changes: StatementChange[] = []
  const add = (kind: StatementChange['kind'], text: string, digest: string | null = null): void => {
    changes.push({ kind, text, pcr: SECURE_BOOT_PCR, digest })
  }
  if (before.enabled !== after.enabled && !(host && before.enabled === 'any')) {
    const word = { any: 'on or off', true: 'on', false: 'off' }
    add('changed', `Secure Boot changed from ${word[`${before.enabled}`]} to ${word[`${after.enabled}`]}`)
  }
  const databases = [
    ['PK', before.pk, after.pk],
    ['KEK', before.kek, after.kek],
    ['db', before.db, after.db],
  ] as const
  for (const [name, old, now] of databases) {
    diffKeys(old, now, host, {
      any: open => changes.push(opened(name, open, SECURE_BOOT_PCR)),
      gained: key => add('added', `${name} gained ${keyText(key)}`, key.fingerprint),
      lost: key => add('removed', `${name} lost ${keyText(key)}`, key.fingerprint),
    })
  }
  diffForbidden(before.dbx, after.dbx, host, add)
  diffKeys(before.authorities, after.authorities, host, {
    any: open => changes.push(opened('what images are let in by', open, SECURE_BOOT_PCR)),
    gained: key => add('added', `an image is let in by ${keyText(key)}`, key.fingerprint),
    lost: key => add('removed', `no image is let in by ${keyText(key)} any longer`, key.fingerprint),
  })
  return changes
}

interface KeyWords {
  any(open: boolean): void
  gained(key: BootKey): void
  lost(key: BootKey): void
}

/** A database may hold less than is listed, so that a host loses nothing. */
function diffKeys(
  before: 'any' | readonly BootKey[],
  after: 'any' | readonly BootKey[],
  host: boolean,
  say: KeyWords,
): void {
  if (before === 'any' || after === 'any') {
    if (before !== after && !host) say.any(after === 'any')
    return
  }
  const lacks = (list: readonly BootKey[], key: BootKey): boolean =>
    !list.some(({ fingerprint }) => fingerprint === key.fingerprint)
  for (const key of after) if (lacks(before, key)) say.gained(key)
  if (!host) for (const key of before) if (lacks(after, key)) say.lost(key)
}

function keyText({ name, fingerprint }: BootKey): string {
  return `certificate ${name} (${fingerprint.slice(0, 16)}…)`
}

function diffForbidden(
  before: SecureBoot['dbx'],
  after: SecureBoot['dbx'],
  host: boolean,
  add: (kind: StatementChange['kind'], text: string) => void,
): void {
  if (before === 'any' || after === 'any') {
    if (before !== after && !host)
      add('changed', after === 'any' ? 'dbx: anything goes now' : 'dbx is judged now')
    return
  }
  const count = (list: readonly string[], other: readonly string[]): number => {
    const known = new Set(other)
    return list.filter(item => !known.has(item)).length
  }
  const gained = count(after.atLeast, before.atLeast)
  const lost = count(before.atLeast, after.atLeast)
  if (gained > 0 && !host) add('added', `dbx gained ${entries(gained)}`)
  if (lost > 0) add('removed', `dbx lost ${entries(lost)}`)
}

function entries(count: number): string {
  return count === 1 ? 'one entry' : `${count} entries`
}

/** A UKI by what it is called, and where that tells nothing by its place. */
export function diffUkis(
  before: readonly UkiStatement[],
  after: readonly UkiStatement[],
  host: boolean,
): StatementChange[] {
  const isKnown = (list: readonly UkiStatement[], uki: UkiStatement): boolean =>
    list.some(one => one.image === uki.image && sections(one) === sections(uki))
  const added = after.filter(uki => !isKnown(before, uki))
  const removed = host ? [] : before.filter(uki => !isKnown(after, uki))
  const paired = new Set<UkiStatement>()
  const changes = added.flatMap((uki): StatementChange[] => {
    const candidates = host ? before : removed
    const old =
      candidates.find(one => !paired.has(one) && one.name === uki.name) ??
      (candidates.length === 1 ? candidates[0] : undefined)
    if (old === undefined) {
      return [{ kind: 'added', text: `unified kernel image ${uki.name} is new`, pcr: 4, digest: uki.image }]
    }
    paired.add(old)
    const text = `the kernel image ${old.name} changed from ${old.image} to ${uki.image}`
    const parts = diffImages('its part', 11, named(old), named(uki), false)
    return [{ kind: 'changed', text, pcr: 4, digest: uki.image }, ...parts]
  })
  const gone = removed
    .filter(uki => !paired.has(uki))
    .map(({ name }): StatementChange => {
      return { kind: 'removed', text: `unified kernel image ${name} is gone`, pcr: 4, digest: null }
    })
  return [...changes, ...gone, ...(host ? diffCourse(before, after) : [])]
}

function sections({ events }: UkiStatement): string {
  return events.map(({ digest }) => digest).join()
}

function named({ events }: UkiStatement): NamedDigests[] {
  return events.map(({ name, digest }) => ({ name, digests: [digest] }))
}

/** A kernel that the firmware was asked to start, and phases that are not on the course of the known image. */
function diffCourse(before: readonly UkiStatement[], after: readonly UkiStatement[]): StatementChange[] {
  return after.flatMap(uki => {
    const known = before.filter(one => one.image === uki.image && sections(one) === sections(uki))
    if (known.length === 0) return []
    const changes: StatementChange[] = []
    if (uki.kernel !== undefined && !known.some(one => one.kernel === uki.kernel)) {
      const text = `the kernel in ${uki.name} was started as an image of its own`
      changes.push({ kind: 'added', text, pcr: 4, digest: uki.kernel })
    }
    const isOnCourse = known.some(one => uki.phases.every((phase, i) => one.phases[i] === phase))
    if (!isOnCourse) {
      const text = `the boot went through ${uki.phases.join(', ')}`
      changes.push({ kind: 'changed', text, pcr: 11, digest: null })
    }
    return changes
  })
}
