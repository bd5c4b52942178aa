import type { Component, ReferenceDocument } from './document.ts'
import { ReferenceValuesError } from './error.ts'
import { mergeBootImages, mergeEvents, mergeImages, mergeSecureBoot, mergeUkis } from './merge-statements.ts'
import type { PcrRule } from './pcr-rule.ts'
import type { CommandLines, Firmware } from './statements.ts'

/** What is to be accepted besides; what is missing is not touched. */
export type ReferenceAddition = Partial<Omit<ReferenceDocument, 'version' | 'name' | 'revision'>>

/**
 * Values that accept what `base` accepts, and what `addition` says besides: the hosts before and after an update. Its revision is the next one.
 *
 * What has to be there has to be there in both: of dbx, the entries that both demand; an image or an event that only one has becomes optional. Where
 * one of them leaves something to `any` so does the result, and where Secure Boot is on in one and off in the other either is accepted: look at what the
 * result leaves open before it is signed.
 *
 * @param created of the result, RFC 3339 in UTC
 * @throws ReferenceValuesError `REFERENCE_EVIDENCE_INCONSISTENT` where a PCR is judged in two ways
 */
export function mergeReferenceValues(
  base: ReferenceDocument,
  addition: ReferenceAddition,
  created: string,
): ReferenceDocument {
  const more = { ...neutral(base), ...addition }
  const pcrs = mergeRules(base.pcrs, more.pcrs)
  const components = mergeComponents(base, more)
  return {
    ...base,
    revision: base.revision + 1,
    created,
    firmwareVersions: either(base.firmwareVersions, more.firmwareVersions, (a, b) => [
      ...new Set([...a, ...b]),
    ]),
    firmware: either(base.firmware, more.firmware, mergeFirmware),
    secureBoot: mergeSecureBoot(base.secureBoot, more.secureBoot),
    bootImages: either(base.bootImages, more.bootImages, mergeBootImages),
    commandLines: either(base.commandLines, more.commandLines, mergeCommandLines),
    bootFiles: either(base.bootFiles, more.bootFiles, mergeImages),
    ukis: mergeUkis(base.ukis, more.ukis),
    events: addition.events === undefined ? base.events : mergeEvents(base.events, addition.events),
    quirks: [...new Set([...base.quirks, ...more.quirks])],
    pcrs,
    components,
    ima: mergeIma(base, more, components),
  }
}

/** What changes nothing when it is merged. */
function neutral(base: ReferenceDocument): Required<ReferenceAddition> {
  const { version: _version, name: _name, revision: _revision, ...rest } = base
  return { ...rest, ukis: [], events: [], quirks: [], ima: { files: [], violations: [] } }
}

/** `any` in one is `any` in both. */
function either<T>(a: 'any' | T, b: 'any' | T, merge: (a: T, b: T) => T): 'any' | T {
  return a === 'any' || b === 'any' ? 'any' : merge(a, b)
}

function mergeRules(base: readonly PcrRule[], more: readonly PcrRule[]): PcrRule[] {
  const rules = new Map(base.map(rule => [rule.pcr, rule]))
  for (const rule of more) {
    const before = rules.get(rule.pcr)
    if (before !== undefined) rules.set(rule.pcr, mergeRule(before, rule))
  }
  return [...rules.values()]
}

function mergeRule(before: PcrRule, more: PcrRule): PcrRule {
  if (before.rule === 'any') return before
  if (before.rule === 'value' && more.rule === 'value') {
    return { ...before, values: [...new Set([...before.values, ...more.values])] }
  }
  if (before.rule === 'events' && more.rule === 'events') {
    return { ...before, digests: [...new Set([...before.digests, ...more.digests])] }
  }
  if (before.rule === more.rule) return before
  throw new ReferenceValuesError(
    'REFERENCE_EVIDENCE_INCONSISTENT',
    `PCR ${before.pcr} is judged by "${before.rule}", and what was measured now fits only "${more.rule}"`,
    { at: 'pcrs' },
  )
}

type Listed<T> = Exclude<T, 'any'>

function mergeFirmware(base: Listed<Firmware>, more: Listed<Firmware>): Listed<Firmware> {
  const contents = ({ events }: Listed<Firmware>[number]): string =>
    events.map(({ pcr, digest }) => `${pcr} ${digest}`).join()
  const known = new Set(base.map(contents))
  return [...base, ...more.filter(one => !known.has(contents(one)))]
}

function mergeCommandLines(base: Listed<CommandLines>, more: Listed<CommandLines>): Listed<CommandLines> {
  const contents = (line: Listed<CommandLines>[number]): string =>
    'text' in line ? `text ${line.text}` : [...line.digests].sort().join()
  const known = new Set(base.map(contents))
  return [...base, ...more.filter(line => !known.has(contents(line)))]
}

/** Components are named by the base; what was measured at their places now is accepted there too. */
function mergeComponents(
  base: ReferenceDocument,
  more: Required<ReferenceAddition>,
): ReferenceDocument['components'] {
  if (base.components === 'any') return 'any'
  const measured = new Map(more.ima.files.map(({ path, digests }) => [path, digests]))
  const named = new Map(
    (more.components === 'any' ? [] : more.components).map(part => [part.path, part.digests]),
  )
  return base.components.map((part): Component => {
    const digests = [...part.digests, ...(named.get(part.path) ?? []), ...(measured.get(part.path) ?? [])]
    return { ...part, digests: [...new Set(digests)].sort() }
  })
}

/** A file that is listed stays judged by its content, also where it was changed while it was measured. */
function mergeIma(
  base: ReferenceDocument,
  more: Required<ReferenceAddition>,
  components: ReferenceDocument['components'],
): ReferenceDocument['ima'] {
  const parts = new Set(components === 'any' ? [] : components.map(({ path }) => path))
  const files = new Map(base.ima.files.map(({ path, digests }) => [path, digests]))
  const tolerated = new Set(base.ima.violations)
  for (const { path, digests } of more.ima.files) {
    if (parts.has(path) || tolerated.has(path)) continue
    files.set(path, [...new Set([...(files.get(path) ?? []), ...digests])].sort())
  }
  const violations = more.ima.violations.filter(path => !files.has(path) && !parts.has(path))
  return {
    ...base.ima,
    files: [...files].sort(([a], [b]) => (a < b ? -1 : 1)).map(([path, digests]) => ({ path, digests })),
    violations: [...new Set([...base.ima.violations, ...violations])].sort(),
  }
}
