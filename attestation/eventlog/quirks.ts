import { type BankName, bankDigest, isBankDigest } from './bank.ts'
import { EVENT_TYPE } from './event-type.ts'
import type { EventLog, TcgEvent } from './parse.ts'
import { beginsWith } from './spec-id.ts'
import { readUefiVariable } from './variable.ts'

/**
 * The known defects of firmware, boot loaders and kernels that make an honest log look wrong. Each is off unless the reference values of a
 * host turn it on by its name: a quirk widens what a log may say, never what the quoted PCRs may be.
 */
export type QuirkName =
  | 'exit-boot-services-unlogged'
  | 'final-events-repeated'
  | 'separator-data-padded'
  | 'startup-locality-padded'
  | 'startup-locality-unlogged'
  | 'variable-digest-of-value'

/** How an event may be read that is wrong by the book. */
export interface Leniency {
  /** Whether the digest may be what it is: what it covers is not all of the data, so that nothing is read from the data. */
  readonly acceptsDigest?: (event: TcgEvent, bank: BankName) => boolean
  /** The locality in a StartupLocality event that is not of its form; null when it is something else. */
  readonly readStartupLocality?: (data: Buffer) => number | null
}

export interface Quirk extends Leniency {
  readonly name: QuirkName
  /** What is wrong, and where it was seen. */
  readonly what: string
  readonly source: string
  /**
   * What else the log may have been, if its own events do not give the quoted values: the quote decides. Bounded in number whatever the
   * log contains.
   */
  readonly variants?: (log: EventLog) => readonly EventLog[]
}

/** PFP 1.06, section 10.4.4. */
const EXIT_INVOKED = 'Exit Boot Services Invocation'
const EXIT_SUCCEEDED = 'Exit Boot Services Returned with Success'
const EXIT_FAILED = 'Exit Boot Services Returned with Failure'
const EXIT_PCR = 5

/** How the end of boot services may have gone (go-attestation), and as EDK II leaves out the invocation that failed. */
const EXITS: readonly (readonly string[])[] = [
  [EXIT_INVOKED, EXIT_SUCCEEDED],
  [EXIT_INVOKED, EXIT_FAILED],
  [EXIT_INVOKED, EXIT_FAILED, EXIT_SUCCEEDED],
  [EXIT_FAILED, EXIT_INVOKED, EXIT_SUCCEEDED],
]

/** Most events, counted from the end, among which repeated ones are looked for: the final events are few. */
const MAX_FINAL_EVENTS = 128
const MAX_VARIANTS = 8

const TABLE: Readonly<Record<QuirkName, Quirk>> = {
  'exit-boot-services-unlogged': {
    name: 'exit-boot-services-unlogged',
    what: 'The firmware extends PCR 5 at the end of boot services but hands the log over before, and has no final events table.',
    source:
      'google/go-attestation attest/eventlog_workarounds.go; Linux Documentation/security/tpm/tpm_event_log.rst; tianocore/edk2#10009',
    variants: log => EXITS.map(actions => withEvents(log, actions)),
  },
  'final-events-repeated': {
    name: 'final-events-repeated',
    what: 'A kernel before 5.3 appends all final events, also those that the log already has.',
    source: 'Linux Documentation/security/tpm/tpm_event_log.rst; rhboot/shim#158',
    variants: withoutRepeated,
  },
  'separator-data-padded': {
    name: 'separator-data-padded',
    what: "coreboot's own log has slots of one size: the separators' data is longer than the four bytes that were measured.",
    source: 'StarLabsLtd/firmware#437',
    acceptsDigest: ({ type, data, digests }, bank) =>
      type === EVENT_TYPE.EV_SEPARATOR &&
      data.length > 4 &&
      isPadding(data.subarray(4)) &&
      isDigestOf(digests.get(bank), bank, data.subarray(0, 4)),
  },
  'startup-locality-padded': {
    name: 'startup-locality-padded',
    what: "coreboot's own log has slots of one size: zero bytes follow the startup locality.",
    source: 'Dasharo/dasharo-issues#1476',
    readStartupLocality: data => (isPadding(data.subarray(17)) ? (data.at(16) ?? null) : null),
  },
  'startup-locality-unlogged': {
    name: 'startup-locality-unlogged',
    what: 'Boot Guard or TXT starts the TPM from locality 3, or after an H-CRTM, and the log does not say so.',
    source: 'Dasharo/coreboot#699; google/go-attestation#172',
    variants: log => (log.events.some(isStartupLocality) ? [] : [3, 4].map(l => withStartupLocality(log, l))),
  },
  'variable-digest-of-value': {
    name: 'variable-digest-of-value',
    what: "The firmware measures a variable's value only, so that its name is bound by nothing: no fact is read from it.",
    source: 'okirch/pcr-oracle src/efi-variable.c, __tpm_event_efi_variable_detect_hash_strategy',
    acceptsDigest: ({ type, data, digests }, bank) => {
      if (
        type !== EVENT_TYPE.EV_EFI_VARIABLE_DRIVER_CONFIG &&
        type !== EVENT_TYPE.EV_EFI_VARIABLE_AUTHORITY
      ) {
        return false
      }
      const variable = readUefiVariable(data)
      return variable !== null && isDigestOf(digests.get(bank), bank, variable.value)
    },
  },
}

/** Every quirk, by name. */
export const QUIRKS: readonly Quirk[] = Object.values(TABLE)

/** Whether this is the name of a quirk. */
export function isQuirkName(name: string): name is QuirkName {
  return Object.hasOwn(TABLE, name)
}

/** The quirk of this name. */
export function quirkOf(name: QuirkName): Quirk {
  return TABLE[name]
}

/** A log that is tried, and the quirks that it needs. */
export interface EventLogVariant {
  readonly log: EventLog
  readonly quirks: readonly QuirkName[]
}

/**
 * All that a log may stand for with these quirks: itself first, then what each quirk makes of it, alone and together with others. A few
 * dozen at most. An H-CRTM whose startup locality the log does not say is no quirk: it left PCR 0 at 4 (Part 1, section 34.3), or at 0 where a
 * management controller measured through the TPM's ordinary commands; the quote tells which.
 */
export function eventLogVariants(log: EventLog, quirks: readonly QuirkName[]): readonly EventLogVariant[] {
  let variants: readonly EventLogVariant[] = [log, ...otherHcrtm(log)].map(each => ({
    log: each,
    quirks: [],
  }))
  for (const name of new Set(quirks)) {
    const { variants: make } = quirkOf(name)
    if (make === undefined) continue
    const more = variants.flatMap(variant =>
      make(variant.log).map(changed => ({ log: changed, quirks: [...variant.quirks, name] })),
    )
    variants = [...variants, ...more]
  }
  return variants
}

function isPadding(data: Buffer): boolean {
  return data.every(byte => byte === 0)
}

function isDigestOf(digest: Buffer | undefined, bank: BankName, data: Buffer): boolean {
  return digest !== undefined && isBankDigest(digest, bank, data)
}

function isStartupLocality({ type, pcr, data }: TcgEvent): boolean {
  return type === EVENT_TYPE.EV_NO_ACTION && pcr === 0 && beginsWith(data, 'StartupLocality\0')
}

function assumed(log: EventLog, pcr: number, type: number, data: Buffer): TcgEvent {
  const last = log.events.at(-1)
  const replayable = log.declared.filter(bank => bank.replayable)
  return {
    index: (last?.index ?? 0) + 1,
    offset: -1,
    pcr,
    type,
    data,
    digests: new Map(replayable.map(({ name }) => [name, bankDigest(name, data)])),
  }
}

function withEvents(log: EventLog, actions: readonly string[]): EventLog {
  const events = actions.map((action, i) => {
    const event = assumed(log, EXIT_PCR, EVENT_TYPE.EV_EFI_ACTION, Buffer.from(action, 'latin1'))
    return { ...event, index: event.index + i }
  })
  return { ...log, events: [...log.events, ...events] }
}

function withStartupLocality(log: EventLog, locality: number): EventLog {
  const data = Buffer.concat([Buffer.from('StartupLocality\0', 'latin1'), Buffer.of(locality)])
  const event = assumed(log, 0, EVENT_TYPE.EV_NO_ACTION, data)
  return { ...log, events: [event, ...log.events] }
}

function otherHcrtm(log: EventLog): EventLog[] {
  const first = log.events.find(({ type, pcr }) => type !== EVENT_TYPE.EV_NO_ACTION && pcr === 0)
  const isUnsaid = first?.type === EVENT_TYPE.EV_EFI_HCRTM_EVENT && !log.events.some(isStartupLocality)
  return isUnsaid ? [withStartupLocality(log, 0)] : []
}

/** The log without a run of events that directly follows an equal run, for the longest such runs near the end. */
function withoutRepeated(log: EventLog): EventLog[] {
  const { events } = log
  const keys = events.slice(-MAX_FINAL_EVENTS).map(keyOf)
  const base = events.length - keys.length
  const runs: { start: number; length: number }[] = []
  for (let start = 0; start < keys.length; start++) {
    for (let length = 1; start + 2 * length <= keys.length; length++) {
      if (isRepeated(keys, start, length)) runs.push({ start: base + start, length })
    }
  }
  runs.sort((a, b) => b.length - a.length || b.start - a.start)
  return runs
    .slice(0, MAX_VARIANTS)
    .map(({ start, length }) => ({ ...log, events: events.toSpliced(start + length, length) }))
}

function isRepeated(keys: readonly string[], start: number, length: number): boolean {
  for (let i = start; i < start + length; i++) if (keys[i] !== keys[i + length]) return false
  return true
}

function keyOf({ pcr, type, digests }: TcgEvent): string {
  return `${pcr} ${type} ${Array.from(digests, ([bank, digest]) => `${bank}:${digest.toString('hex')}`).join(' ')}`
}
