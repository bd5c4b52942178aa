import { canonicalJson } from '../../encoding/json.ts'
import { diffComponents, diffIma } from './diff-ima.ts'
import { diffFirmware, diffImages, diffLists, diffSecureBoot, diffUkis } from './diff-statements.ts'
import type { ReferenceDocument } from './document.ts'
import { kindOf } from './merge-statements.ts'
import type { PcrRule } from './pcr-rule.ts'
import { opened, type ReferenceChange, type StatementChange } from './reference-change.ts'
import type { CommandLines } from './statements.ts'

export interface DiffOptions {
  /**
   * `documents`: two sets of values, each difference. `host`: what was captured of a host now against values that it should fit: what is accepted is no
   * difference, nor that something is not there which need not be.
   */
  readonly of: 'documents' | 'host'
}

/** Says what changed from one set of reference values to another, in words and in the order of a boot. Names and creation time are not compared. */
export function diffReferenceValues(
  before: ReferenceDocument,
  after: ReferenceDocument,
  { of }: DiffOptions,
): ReferenceChange[] {
  const host = of === 'host'
  const in_ =
    (field: keyof ReferenceDocument) =>
    (change: StatementChange): ReferenceChange => ({ field, ...change })
  const changes = [
    ...diffVersions(before, after, host).map(in_('firmwareVersions')),
    ...diffFirmware(before.firmware, after.firmware, host).map(in_('firmware')),
    ...diffSecureBoot(before.secureBoot, after.secureBoot, host).map(in_('secureBoot')),
    ...diffImages('image', 4, before.bootImages, after.bootImages, host).map(in_('bootImages')),
    ...diffUkis(before.ukis, after.ukis, host).map(in_('ukis')),
    ...diffCommandLines(before.commandLines, after.commandLines, host).map(in_('commandLines')),
    ...diffImages('boot file', 9, before.bootFiles, after.bootFiles, host).map(in_('bootFiles')),
    ...diffEvents(before, after, host).map(in_('events')),
    ...diffRules(before.pcrs, after.pcrs, host).map(in_('pcrs')),
    ...(host ? [] : diffLists('quirk', before.quirks, after.quirks).map(in_('quirks'))),
    ...diffComponents(before, after, host).map(in_('components')),
    ...diffIma(before, after, host).map(in_('ima')),
  ]
  return host
    ? changes
    : [...changes, ...diffDetails(before, after, new Set(changes.map(({ field }) => field)))]
}

/** Fields that are not for people to judge by. */
const NOT_COMPARED: ReadonlySet<string> = new Set(['version', 'name', 'revision', 'created'])

/** What no words were found for is said all the same: that something is optional now, an order, another name. */
function diffDetails(
  before: ReferenceDocument,
  after: ReferenceDocument,
  said: ReadonlySet<string>,
): ReferenceChange[] {
  const fields = Object.keys(after) as (keyof ReferenceDocument)[]
  return fields
    .filter(field => !NOT_COMPARED.has(field) && !said.has(field))
    .filter(field => canonicalJson(before[field]) !== canonicalJson(after[field]))
    .map(field => {
      const text = `${field}: order, names or what is optional changed`
      return { field, kind: 'changed', text, pcr: null, digest: null }
    })
}

function diffVersions(
  { firmwareVersions: before }: ReferenceDocument,
  { firmwareVersions: after }: ReferenceDocument,
  host: boolean,
): StatementChange[] {
  if (before === 'any' && host) return []
  if (before === 'any' || after === 'any')
    return before === after ? [] : [opened('TPM firmware', after === 'any')]
  const added = after.filter(version => !before.includes(version))
  const removed = host ? [] : before.filter(version => !after.includes(version))
  if (added.length === 0 && removed.length === 0) return []
  const text = `TPM firmware changed from ${before.join(' or ')} to ${after.join(' or ')}`
  return [{ kind: 'changed', text, pcr: null, digest: null }]
}

function diffCommandLines(before: CommandLines, after: CommandLines, host: boolean): StatementChange[] {
  if (before === 'any' || after === 'any') {
    return before === after || host ? [] : [opened('command line', after === 'any')]
  }
  const textOf = (line: Exclude<CommandLines, 'any'>[number]): string =>
    'text' in line ? line.text : `${line.name} ${line.digests.join(' or ')}`
  const old = before.map(textOf)
  const now = after.map(textOf)
  const added = now.filter(text => !old.includes(text))
  const removed = old.filter(text => !now.includes(text))
  const [first] = removed
  const [last] = added
  if (first !== undefined && last !== undefined && added.length === 1 && (host || removed.length === 1)) {
    const text = `command line changed: ${words(first, last)}`
    return [{ kind: 'changed', text, pcr: null, digest: null }]
  }
  return [
    ...added.map(text => listed('added', `command line: ${text}`)),
    ...(host ? [] : removed.map(text => listed('removed', `command line no longer: ${text}`))),
  ]
}

function listed(kind: 'added' | 'removed', text: string): StatementChange {
  return { kind, text, pcr: null, digest: null }
}

/** The words that came and went, or the whole where only their order did. */
function words(before: string, after: string): string {
  const old = before.split(/\s+/)
  const now = after.split(/\s+/)
  const gained = now.filter(word => !old.includes(word)).map(word => `+ ${word}`)
  const lost = old.filter(word => !now.includes(word)).map(word => `- ${word}`)
  return gained.length + lost.length === 0
    ? `from "${before}" to "${after}"`
    : [...lost, ...gained].join(', ')
}

function diffEvents(before: ReferenceDocument, after: ReferenceDocument, host: boolean): StatementChange[] {
  const pcrs = new Set([...before.events, ...after.events].map(({ pcr }) => pcr))
  const named = (document: ReferenceDocument, pcr: number) =>
    document.events
      .filter(event => event.pcr === pcr)
      .map(event => ({ ...event, name: kindOf(event.name), shown: event.name }))
  return [...pcrs]
    .sort((a, b) => a - b)
    .flatMap(pcr => diffImages(`PCR ${pcr}:`, pcr, named(before, pcr), named(after, pcr), host))
}

function diffRules(before: readonly PcrRule[], after: readonly PcrRule[], host: boolean): StatementChange[] {
  const pcrs = [...new Set([...before, ...after].map(({ pcr }) => pcr))].sort((a, b) => a - b)
  return pcrs.flatMap((pcr): StatementChange[] => {
    const old = before.find(rule => rule.pcr === pcr)
    const now = after.find(rule => rule.pcr === pcr)
    if (old?.rule === 'any' && host) return []
    if (old === undefined || now === undefined || old.rule !== now.rule) {
      const text = `PCR ${pcr} is judged by ${now?.rule ?? 'nothing'}, before by ${old?.rule ?? 'nothing'}`
      return [{ kind: 'changed', text, pcr, digest: null }]
    }
    const [was, is] = [digestsOf(old), digestsOf(now)]
    const added = is.filter(digest => !was.includes(digest))
    const removed = host ? [] : was.filter(digest => !is.includes(digest))
    if (added.length === 0 && removed.length === 0) return []
    const text = `PCR ${pcr} changed from ${was.join(' or ')} to ${is.join(' or ')}`
    return [{ kind: 'changed', text, pcr, digest: added[0] ?? null }]
  })
}

function digestsOf(rule: PcrRule): readonly string[] {
  if (rule.rule === 'value') return rule.values
  return rule.rule === 'events' ? rule.digests : []
}
