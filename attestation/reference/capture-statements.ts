import { hash } from 'node:crypto'
import { commandLineDigests } from '../appraisal/described/command-line.ts'
import { judgeStatements } from '../appraisal/described/judge.ts'
import {
  type MeasuredBoot,
  type MeasuredEvent,
  readMeasuredBoot,
} from '../appraisal/described/measured-boot.ts'
import { ATTEMPT_DIGEST, isRoutine } from '../appraisal/described/routine.ts'
import type { AttestedLogs } from '../appraisal/logs.ts'
import { IMA_PCR } from '../ima/index.ts'
import { QUOTED_PCRS } from '../tpm2/structures/index.ts'
import type { BootStatements } from './boot-statements.ts'
import type { ReferenceDocument } from './document.ts'
import { checkEnforced } from './enforced.ts'
import type { PcrRule } from './pcr-rule.ts'
import type { BootImages, BootKey, OtherEvent, SecureBoot, UkiStatement } from './statements.ts'

type NamedImage = Exclude<BootImages, 'any'>[number]

const NOTHING: BootStatements = {
  firmware: 'any',
  secureBoot: { enabled: 'any', pk: 'any', kek: 'any', db: 'any', dbx: 'any', authorities: 'any' },
  bootImages: 'any',
  commandLines: 'any',
  bootFiles: 'any',
  ukis: [],
  events: [],
  pcrs: [],
}

/** What may be known of a boot beside its logs. */
export interface CaptureHints {
  readonly commandLine: string | null
  /** How the PCRs are judged by values that these are to be compared or merged with; others are `described` where that is possible. */
  readonly rules: readonly PcrRule[]
}

/**
 * What was measured, as statements. A PCR that its statements do not account for (firmware that closes no PCR with a separator) gets its value as its
 * rule, and no statement speaks of it.
 */
export function captureStatements(logs: AttestedLogs, hints: CaptureHints): BootStatements {
  const boot = readMeasuredBoot(logs.boot, logs.userspace)
  const ruled = new Map(hints.rules.map(({ pcr, rule }) => [pcr, rule]))
  const described = new Set(
    QUOTED_PCRS.filter(pcr => pcr !== IMA_PCR && (ruled.get(pcr) ?? 'described') === 'described'),
  )
  for (;;) {
    const pcrs = QUOTED_PCRS.map(pcr => captureRule(pcr, described.has(pcr), ruled.get(pcr), boot, logs))
    const statements = withinRules({ ...capture(boot, logs, hints.commandLine, described), pcrs })
    const failed = failedPcrs(boot, statements)
    if (failed.length === 0) return statements
    for (const pcr of failed) described.delete(pcr)
  }
}

/** The PCRs in which the statements do not hold of the boot that they are from. */
function failedPcrs(boot: MeasuredBoot, statements: BootStatements): number[] {
  const pcrs = new Map(statements.pcrs.map(rule => [rule.pcr, rule]))
  const reasons = judgeStatements(boot, { document: statements, pcrs })
  const places = new Set(reasons.map(({ at }) => at))
  return Array.from(pcrs.keys()).filter(
    pcr => places.has(`PCR ${pcr}`) || boot.byPcr.get(pcr)?.some(({ at }) => places.has(at)),
  )
}

function capture(
  boot: MeasuredBoot,
  logs: AttestedLogs,
  commandLine: string | null,
  described: ReadonlySet<number>,
): Omit<BootStatements, 'pcrs'> {
  const of = (pcr: number): readonly MeasuredEvent[] =>
    described.has(pcr) ? (boot.byPcr.get(pcr) ?? []).filter(({ digest }) => !isRoutine(pcr, digest)) : []
  const chain = described.has(4) && described.has(11) ? captureUki(of(4), of(11)) : null
  const uki = chain?.uki
  const lines = captureCommandLines([8, 9, 12].flatMap(of), commandLine)
  const isLine = ({ digest }: MeasuredEvent): boolean => lines.digests.has(digest)
  const images = described.has(4) ? attempts(boot.byPcr.get(4) ?? []) : []
  const ofUki = [uki?.image, uki?.kernel]
  return {
    firmware: described.has(0)
      ? [{ name: firmwareName(of(0)), events: numbered([...of(0), ...of(2)]).map(firmwareEvent) }]
      : 'any',
    secureBoot: captureSecureBoot(of(7), logs.boot.replay.secureBoot, described.has(7)),
    bootImages: described.has(4)
      ? images.filter(({ digests }) => !digests.some(digest => ofUki.includes(digest)))
      : 'any',
    commandLines: lines.statement,
    bootFiles: described.has(9)
      ? numbered(of(9).filter(event => !isLine(event))).map(({ label, digest }) => ({
          name: label,
          digests: [digest],
        }))
      : 'any',
    ukis: uki === undefined ? [] : [uki],
    events: captureOthers(of, isLine, uki !== undefined),
  }
}

function captureRule(
  pcr: number,
  described: boolean,
  asked: PcrRule['rule'] | undefined,
  boot: MeasuredBoot,
  logs: AttestedLogs,
): PcrRule {
  if (asked === 'any') return { pcr, rule: 'any' }
  if (pcr === IMA_PCR && logs.ima !== null && asked !== 'value') return { pcr: IMA_PCR, rule: 'ima' }
  if (described) return { pcr, rule: 'described' }
  if (asked === 'events') {
    const digests = (boot.byPcr.get(pcr) ?? []).map(({ digest }) => digest)
    return { pcr, rule: 'events', digests: [...new Set(digests)].sort() }
  }
  return { pcr, rule: 'value', values: [logs.pcrs.get(pcr)?.toString('hex') ?? ''] }
}

/** The images of the last attempt to boot in their order, and before them, as optional, those that only an earlier one started. */
function attempts(events: readonly MeasuredEvent[]): NamedImage[] {
  const last = events.findLastIndex(({ digest }) => digest === ATTEMPT_DIGEST) + 1
  const isImage = ({ digest }: MeasuredEvent): boolean => !isRoutine(4, digest)
  const named = ({ label, digest }: MeasuredEvent): NamedImage => ({ name: label, digests: [digest] })
  const started = numbered(events.slice(last).filter(isImage)).map(named)
  const known = new Set(started.flatMap(({ digests }) => digests))
  const failed = events.slice(0, last).filter(event => isImage(event) && !known.has(event.digest))
  return [...numbered(failed).map(event => ({ ...named(event), optional: true as const })), ...started]
}

/** Takes back what a statement says of a PCR that has another rule. */
function withinRules(statements: BootStatements): BootStatements {
  const rules = new Map(statements.pcrs.map(rule => [rule.pcr, rule]))
  let document = statements
  for (;;) {
    const unenforced = checkEnforced(document, pcr => rules.get(pcr)?.rule)
    if (unenforced === null) return document
    const { field } = unenforced
    const open = NOTHING[field as keyof BootStatements]
    const secureBoot = { ...NOTHING.secureBoot, enabled: document.secureBoot.enabled }
    document = { ...document, [field]: field === 'secureBoot' ? secureBoot : open }
  }
}

function firmwareEvent({ pcr, label, digest }: MeasuredEvent): { pcr: 0 | 2; name: string; digest: string } {
  return { pcr: pcr === 2 ? 2 : 0, name: label, digest }
}

function firmwareName(events: readonly MeasuredEvent[]): string {
  const version = events.find(({ label }) => /^CRTM version ./.test(label))
  if (version !== undefined) return version.label
  return `firmware ${hash('sha256', events.map(({ digest }) => digest).join()).slice(0, 8)}`
}

/** Makes labels unique within a PCR: those of one document tell its entries apart. */
function numbered(events: readonly MeasuredEvent[]): MeasuredEvent[] {
  const seen = new Map<string, number>()
  return events.map(event => {
    const key = `${event.pcr} ${event.label}`
    const count = (seen.get(key) ?? 0) + 1
    seen.set(key, count)
    return count === 1 ? event : { ...event, label: `${event.label} (${count})` }
  })
}

function captureSecureBoot(
  events: readonly MeasuredEvent[],
  enabled: boolean | null,
  described: boolean,
): SecureBoot {
  if (!described) return { ...NOTHING.secureBoot, enabled: enabled ?? 'any' }
  const keysOf = (name: string): 'any' | BootKey[] => {
    const fact = events.find(event => event.fact?.kind === 'keys' && event.fact.database === name)?.fact
    return fact?.kind === 'keys' ? unique(fact.keys) : 'any'
  }
  const dbx = keysOf('dbx')
  return {
    enabled: enabled ?? 'any',
    pk: keysOf('PK'),
    kek: keysOf('KEK'),
    db: keysOf('db'),
    dbx: dbx === 'any' ? 'any' : { atLeast: dbx.map(({ fingerprint }) => fingerprint).sort() },
    authorities: unique(events.flatMap(({ fact }) => (fact?.kind === 'authority' ? [fact.key] : []))),
  }
}

function unique(keys: readonly BootKey[]): BootKey[] {
  return Array.from(
    new Map(keys.map(({ name, fingerprint }) => [fingerprint, { name, fingerprint }])).values(),
  )
}

/** What the stub of a UKI measures first: the name of the section with the kernel (systemd, src/boot/stub.c). */
const LINUX_SECTION = hash('sha256', '.linux\0')

/** systemd measures in PCR 11 how far the boot has come: what is there depends on when one looks. */
const PHASE_PCR = 11

/** Whether an event is of systemd's log. */
function isRecord({ at }: Pick<MeasuredEvent, 'at'>): boolean {
  return at.startsWith('record ')
}

/** The UKI that was started, where PCR 11 begins with its kernel. PCR 4 has its image right before what the stub started from it. */
function captureUki(
  images: readonly MeasuredEvent[],
  sections: readonly MeasuredEvent[],
): { uki: UkiStatement } | null {
  if (sections[0]?.digest !== LINUX_SECTION) return null
  const stub = sections.filter(event => !isRecord(event))
  const phases = sections.filter(isRecord).map(({ label }) => label)
  const before = images.filter(event => isBefore(event, stub[0]))
  const image = before.at(-1)
  if (image === undefined) return null
  const kernel = images.find(event => !before.includes(event))
  return {
    uki: {
      name: image.label,
      image: image.digest,
      ...(kernel === undefined ? {} : { kernel: kernel.digest }),
      events: numbered(stub).map(({ label, digest }) => ({ name: label, digest })),
      phases: withShutdown(phases),
    },
  }
}

function isBefore(a: MeasuredEvent, b: MeasuredEvent | undefined): boolean {
  const position = (event: MeasuredEvent | undefined): number => Number(event?.at.split(' ')[1])
  return position(a) < position(b)
}

/** What systemd measures after `ready` when the host goes down (systemd-pcrphase.service(8)): a host is not worse for it. */
function withShutdown(phases: readonly string[]): string[] {
  return phases.at(-1) === 'ready' ? [...phases, 'shutdown', 'final'] : [...phases]
}

interface CapturedLines {
  readonly statement: ReferenceDocument['commandLines']
  readonly digests: ReadonlySet<string>
}

/** The log says which event is a command line; what gets listed is its digest, or the text that has it. */
function captureCommandLines(events: readonly MeasuredEvent[], hint: string | null): CapturedLines {
  const forms = new Set(hint === null ? [] : commandLineDigests(hint))
  const lines = events.filter(({ claim, digest }) => claim === 'command-line' || forms.has(digest))
  const textOf = ({ fact, digest }: MeasuredEvent): string | null => {
    if (forms.has(digest)) return hint
    return fact?.kind === 'text' && commandLineDigests(fact.text).includes(digest) ? fact.text : null
  }
  const texts = new Set(lines.flatMap(event => textOf(event) ?? []))
  const unread = lines.filter(event => textOf(event) === null)
  return {
    statement: [
      ...Array.from(texts, text => ({ text })),
      ...numbered(unread).map(({ label, digest }) => ({ name: label, digests: [digest] })),
    ],
    digests: new Set(lines.map(({ digest }) => digest)),
  }
}

/** What no statement in words speaks of. */
function captureOthers(
  of: (pcr: number) => readonly MeasuredEvent[],
  isLine: (event: MeasuredEvent) => boolean,
  hasUki: boolean,
): OtherEvent[] {
  const rest = [
    ...[1, 3, 5, 6].flatMap(of),
    ...of(7).filter(({ fact }) => fact === null),
    ...[8, 12].flatMap(of).filter(event => !isLine(event)),
    ...(hasUki ? [] : of(11)),
    ...[13, 14, 15].flatMap(of),
  ]
  const distinct = Array.from(new Map(rest.map(event => [`${event.pcr} ${event.digest}`, event])).values())
  return numbered(distinct).map(({ pcr, label, digest, at }) => {
    const event = { pcr, name: label, digests: [digest] }
    return pcr === PHASE_PCR && isRecord({ at }) ? { ...event, optional: true } : event
  })
}
