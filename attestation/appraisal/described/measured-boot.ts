import { type DecodedEvent, decodeEvent, GUID, type VariableFields } from '../../eventlog/decode/index.ts'
import { QUOTED_BANK } from '../../tpm2/structures/index.ts'
import type { UserspaceEvent } from '../../userspace/index.ts'
import type { ReplayedBoot } from '../replayed-boot.ts'
import { claimOf, labelOf, oneLine } from './label.ts'
import { authorityKey, keysOf, type MeasuredKey } from './measured-keys.ts'
import { SEPARATOR_DIGESTS } from './routine.ts'

export type { MeasuredKey } from './measured-keys.ts'

/** The databases of Secure Boot that statements speak of. */
export type KeyDatabase = 'PK' | 'KEK' | 'db' | 'dbx'

/** What a digest that extended the PCR says by the data that it binds. */
export type Fact =
  | { readonly kind: 'secure-boot' }
  | { readonly kind: 'keys'; readonly database: KeyDatabase; readonly keys: readonly MeasuredKey[] }
  | { readonly kind: 'authority'; readonly variable: string; readonly key: MeasuredKey }
  /** What was measured is this text. */
  | { readonly kind: 'text'; readonly text: string }

/** One event that extended a PCR, by the firmware's log or systemd's. */
export interface MeasuredEvent {
  readonly pcr: number
  /** What the PCR was extended with, hexadecimal. */
  readonly digest: string
  /** `event 12` of the firmware's log, `record 3` of systemd's. */
  readonly at: string
  /** For people only: the host may have chosen it. */
  readonly label: string
  /** What the log says that was measured: a hint for a capture, which lists the digest, and for nothing else. */
  readonly claim: 'command-line' | null
  /** Null where the digest binds nothing that a statement speaks of. */
  readonly fact: Fact | null
}

/** A boot as statements are judged by it. */
export interface MeasuredBoot {
  /** In the order of the extends: systemd's come after the firmware's. */
  readonly byPcr: ReadonlyMap<number, readonly MeasuredEvent[]>
}

const DATABASES: ReadonlyMap<string, KeyDatabase> = new Map([
  [`${GUID.globalVariable} PK`, 'PK'],
  [`${GUID.globalVariable} KEK`, 'KEK'],
  [`${GUID.imageSecurityDatabase} db`, 'db'],
  [`${GUID.imageSecurityDatabase} dbx`, 'dbx'],
])
const SECURE_BOOT_PCR = 7

/** Reads what both logs extended PCRs with. Pure; never throws for what a log contains. */
export function readMeasuredBoot(boot: ReplayedBoot, userspace: readonly UserspaceEvent[]): MeasuredBoot {
  const byPcr = new Map<number, MeasuredEvent[]>()
  const add = (event: MeasuredEvent): void => {
    const events = byPcr.get(event.pcr)
    if (events === undefined) byPcr.set(event.pcr, [event])
    else events.push(event)
  }
  let separated = false
  for (const { event, extended } of boot.replay.events) {
    const digest = event.digests.get(QUOTED_BANK)?.toString('hex')
    if (!extended || digest === undefined) continue
    const decoded = decodeEvent(event, QUOTED_BANK)
    const { pcr, index } = event
    const fact = pcr === SECURE_BOOT_PCR ? secureBootFact(decoded, separated) : textFact(decoded)
    const label = labelOf(decoded, event.type)
    add({ pcr, digest, at: `event ${index}`, label, claim: claimOf(decoded), fact })
    // Only the firmware measures before the separator of PCR 7; what comes after may be anybody's.
    if (pcr === SECURE_BOOT_PCR && SEPARATOR_DIGESTS.has(digest)) separated = true
  }
  for (const { pcr, digests, index, content, bound } of userspace) {
    const digest = digests.get(QUOTED_BANK)?.toString('hex')
    // What extends an NvPCR, or no PCR of this bank, is not quoted.
    if (pcr === null || digest === undefined) continue
    const label = bound.has(QUOTED_BANK) ? oneLine(content) : 'not said what'
    add({ pcr, digest, at: `record ${index}`, label, claim: null, fact: null })
  }
  return { byPcr }
}

function secureBootFact(decoded: DecodedEvent, separated: boolean): Fact | null {
  if (decoded.kind === 'variable-authority') {
    const { name, contents, data } = decoded
    if (!data.bound || !contents.bound) return null
    const key = authorityKey(contents.value, data.value)
    return key && { kind: 'authority', variable: oneLine(name.value), key }
  }
  if (decoded.kind !== 'variable' || separated || !isWhollyBound(decoded)) return null
  const { guid, name, contents } = decoded
  if (guid.value === GUID.globalVariable && name.value === 'SecureBoot') return { kind: 'secure-boot' }
  const database = DATABASES.get(`${guid.value} ${name.value}`)
  const keys = database && keysOf(contents.value)
  return database && keys ? { kind: 'keys', database, keys } : null
}

/** A bound value under a name that is not says what the host likes. */
function isWhollyBound({ guid, name, contents }: VariableFields): boolean {
  return guid.bound && name.bound && contents.bound
}

function textFact(decoded: DecodedEvent): Fact | null {
  if (decoded.kind !== 'ipl' || !decoded.text.bound || decoded.text.value === null) return null
  return { kind: 'text', text: decoded.text.value }
}
