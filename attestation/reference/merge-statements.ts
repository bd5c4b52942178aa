import type { BootImages, BootKey, OtherEvent, SecureBoot, UkiStatement } from './statements.ts'

type NamedDigests = Exclude<BootImages, 'any'>[number]

/** Either state, any of the keys, and what both forbid. */
export function mergeSecureBoot(base: SecureBoot, more: SecureBoot): SecureBoot {
  const keys = (a: 'any' | readonly BootKey[], b: 'any' | readonly BootKey[]): 'any' | BootKey[] =>
    a === 'any' || b === 'any'
      ? 'any'
      : [...a, ...b.filter(key => !a.some(({ fingerprint }) => fingerprint === key.fingerprint))]
  const { dbx } = base
  const forbidden = new Set(more.dbx === 'any' ? [] : more.dbx.atLeast)
  return {
    enabled: base.enabled === more.enabled ? base.enabled : 'any',
    pk: keys(base.pk, more.pk),
    kek: keys(base.kek, more.kek),
    db: keys(base.db, more.db),
    dbx:
      dbx === 'any' || more.dbx === 'any'
        ? 'any'
        : { atLeast: dbx.atLeast.filter(fingerprint => forbidden.has(fingerprint)) },
    authorities: keys(base.authorities, more.authorities),
  }
}

/**
 * Images in their order. As many as before are taken for the same ones, whatever the new ones are called (a path often has a version in it); otherwise
 * the name tells, and what only one of them has becomes optional.
 */
export function mergeBootImages(
  base: readonly NamedDigests[],
  more: readonly NamedDigests[],
): NamedDigests[] {
  if (base.length === more.length) return base.map((image, i) => withDigests(image, more[i]))
  const merged: NamedDigests[] = []
  let from = 0
  for (const image of more) {
    const at = base.findIndex((one, i) => i >= from && (one.name === image.name || shares(one, image)))
    if (at < 0) {
      merged.push({ ...image, optional: true })
      continue
    }
    merged.push(...base.slice(from, at).map(optional), withDigests(base[at] ?? image, image))
    from = at + 1
  }
  return [...merged, ...base.slice(from).map(optional)]
}

/** Files in any order: by their names; what only one of them has becomes optional. */
export function mergeImages(base: readonly NamedDigests[], more: readonly NamedDigests[]): NamedDigests[] {
  return mergeUnordered(base, more, ({ name }) => name)
}

/** Other events: by PCR and name. */
export function mergeEvents(base: readonly OtherEvent[], more: readonly OtherEvent[]): OtherEvent[] {
  return mergeUnordered(base, more, ({ pcr, name }) => `${pcr} ${kindOf(name)}`)
}

/** `machine-id` of `machine-id:c481…`: a host has one, whichever it is (systemd, src/shared/pcrextend-util.c). */
export function kindOf(name: string): string {
  return /^(machine-id):\S/.exec(name)?.[1] ?? name
}

function mergeUnordered<T extends Omit<NamedDigests, 'name'>>(
  base: readonly T[],
  more: readonly T[],
  key: (item: T) => string,
): T[] {
  const rest = new Map(more.map(item => [key(item), item]))
  const merged = base.map(item => {
    const same = rest.get(key(item))
    rest.delete(key(item))
    return same === undefined ? optional(item) : withDigests(item, same)
  })
  return [...merged, ...Array.from(rest.values(), optional)]
}

function withDigests<T extends Omit<NamedDigests, 'name'>>(item: T, more: T | undefined): T {
  const merged = { ...item, digests: [...new Set([...item.digests, ...(more?.digests ?? [])])] }
  return more?.optional ? optional(merged) : merged
}

function optional<T extends Omit<NamedDigests, 'name'>>(item: T): T {
  return { ...item, optional: true }
}

function shares(a: NamedDigests, b: NamedDigests): boolean {
  return a.digests.some(digest => b.digests.includes(digest))
}

/** Any of the images. Of one that is in both, the longer course of phases and the kernel that one of them saw started. */
export function mergeUkis(base: readonly UkiStatement[], more: readonly UkiStatement[]): UkiStatement[] {
  const merged = [...base]
  for (const uki of more) {
    const at = merged.findIndex(one => isSameUki(one, uki))
    const known = merged[at]
    if (known === undefined) merged.push(uki)
    else {
      const kernel = known.kernel ?? uki.kernel
      const phases = known.phases.length >= uki.phases.length ? known.phases : uki.phases
      merged[at] = { ...known, phases, ...(kernel === undefined ? {} : { kernel }) }
    }
  }
  return merged
}

/** The same file, with the same parts in use, on the same course. */
function isSameUki(a: UkiStatement, b: UkiStatement): boolean {
  const sections = (uki: UkiStatement): string => uki.events.map(({ digest }) => digest).join()
  const [short, long] = a.phases.length <= b.phases.length ? [a, b] : [b, a]
  const isCourse = short.phases.every((phase, i) => long.phases[i] === phase)
  const isKernel = a.kernel === undefined || b.kernel === undefined || a.kernel === b.kernel
  return a.image === b.image && sections(a) === sections(b) && isCourse && isKernel
}
