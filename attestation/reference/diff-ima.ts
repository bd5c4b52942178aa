import { canonicalJson } from '../../encoding/json.ts'
import type { ReferenceDocument } from './document.ts'
import type { StatementChange } from './reference-change.ts'

/** Most paths that are named one by one. */
const MAX_NAMED = 20

/** Changed and new files, counted, and the first of them by name. Exclude rules and tolerated violations one by one. */
export function diffIma(
  { ima: before }: ReferenceDocument,
  { ima: after }: ReferenceDocument,
  host: boolean,
): StatementChange[] {
  const old = new Map(before.files.map(({ path, digests }) => [path, digests]))
  const now = new Set(after.files.map(({ path }) => path))
  const changed = after.files.filter(({ path, digests }) => {
    const known = old.get(path)
    return known !== undefined && digests.some(digest => !known.includes(digest))
  })
  const added = after.files.filter(({ path }) => !old.has(path))
  const removed = host ? [] : before.files.filter(({ path }) => !now.has(path))
  const counts = [
    [changed.length, 'changed'],
    [added.length, 'new'],
    [removed.length, 'gone'],
  ] as const
  const said = counts.filter(([count]) => count > 0)
  const lines = [
    ...changed.map(({ path }) => line('changed', `IMA: ${path} changed`)),
    ...added.map(({ path }) => line('added', `IMA: ${path} is new`)),
    ...removed.map(({ path }) => line('removed', `IMA: ${path} is gone`)),
  ]
  const total = lines.length
  const summary = `IMA: ${said.map(([count, word], i) => `${count}${i === 0 ? ' files' : ''} ${word}`).join(', ')}`
  return [
    ...(total === 0 ? [] : [line('changed', summary)]),
    ...lines.slice(0, MAX_NAMED),
    ...diffPaths('may change while it is measured', before.violations, after.violations, host),
    ...diffPaths('is not judged', before.exclude ?? [], after.exclude ?? [], host),
    ...diffSigners(before, after, host),
  ]
}

/** Whose signature is good is not seen on a host. */
function diffSigners(
  { signers: before }: ReferenceDocument['ima'],
  { signers: after }: ReferenceDocument['ima'],
  host: boolean,
): StatementChange[] {
  if (host || canonicalJson(before ?? []) === canonicalJson(after ?? [])) return []
  return [line('changed', 'IMA: the keys whose signature makes a file acceptable changed')]
}

function line(kind: StatementChange['kind'], text: string): StatementChange {
  return { kind, text, pcr: 10, digest: null }
}

function diffPaths(
  what: string,
  before: readonly string[],
  after: readonly string[],
  host: boolean,
): StatementChange[] {
  const known = new Set(before)
  const still = new Set(after)
  return [
    ...after.filter(path => !known.has(path)).map(path => line('added', `IMA: ${path} ${what}`)),
    ...(host
      ? []
      : before
          .filter(path => !still.has(path))
          .map(path => line('removed', `IMA: ${path} no longer ${what}`))),
  ]
}

/** The daemon's parts. A host's are captured at the places that the values name. */
export function diffComponents(
  { components: before }: ReferenceDocument,
  { components: after, ima }: ReferenceDocument,
  host: boolean,
): StatementChange[] {
  if (before === 'any' || (after === 'any' && !host)) {
    if (before === after || host) return []
    const text = `components: ${after === 'any' ? 'whatever code runs as the daemon is accepted now' : 'they are judged now'}`
    return [line('changed', text)]
  }
  const now = new Map(
    after === 'any'
      ? ima.files.map(({ path, digests }) => [path, digests])
      : after.map(({ path, digests }) => [path, digests]),
  )
  const changes = before.flatMap(({ name, path, digests }) => {
    const measured = now.get(path)
    if (measured === undefined) {
      return [line('removed', `component ${name} was not measured at ${path}`)]
    }
    const others = measured.filter(digest => !digests.includes(digest))
    if (others.length === 0) return []
    return [
      line('changed', `component ${name} changed from ${digests.join(' or ')} to ${others.join(' or ')}`),
    ]
  })
  if (after === 'any') return changes
  const added = after.filter(({ path }) => !before.some(part => part.path === path))
  return [...changes, ...added.map(({ name, path }) => line('added', `component ${name} at ${path} is new`))]
}
