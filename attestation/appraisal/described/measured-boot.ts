import type { ReplayedEvent } from '../../eventlog/index.ts'
import { readUefiVariable } from '../../eventlog/variable.ts'
import { QUOTED_BANK } from '../../tpm2/structures/index.ts'
import type { UserspaceEvent } from '../../userspace/index.ts'
import type { ReplayedBoot } from '../replays.ts'
import { type MeasuredKey, readAuthorityKey, readKeyDatabase } from './measured-keys.ts'

export type { MeasuredKey } from './measured-keys.ts'

/** The databases of Secure Boot that statements speak of. */
export type KeyDatabase = 'PK' | 'KEK' | 'db' | 'dbx'

/** What a digest that extended the PCR says by the data that it binds. */
export type Fact =
  | { readonly kind: 'secure-boot'; readonly on: boolean | null }
  | { readonly kind: 'keys'; readonly database: KeyDatabase; readonly keys: readonly MeasuredKey[] }
  | { readonly kind: 'authority'; readonly variable: string; readonly key: MeasuredKey }

/** One event that extended a PCR, by the firmware's log or systemd's. */
export interface MeasuredEvent {
  readonly pcr: number
  /** What the PCR was extended with, hexadecimal. */
  readonly digest: string
  /** `event 12` of the firmware's log, `record 3` of systemd's. */
  readonly at: string
  /** For people only: the host may have chosen it. */
  readonly label: string
  /** Null where the digest binds nothing that a statement speaks of. */
  readonly fact: Fact | null
}

/** A boot as statements are judged by it. */
export interface MeasuredBoot {
  /** In the order of the extends: systemd's come after the firmware's. */
  readonly byPcr: ReadonlyMap<number, readonly MeasuredEvent[]>
}

/** EFI_GLOBAL_VARIABLE and EFI_IMAGE_SECURITY_DATABASE_GUID as they stand in memory (UEFI 2.10, sections 3.3 and 32.4). */
const GLOBAL = '61dfe48bca93d211aa0d00e098032b8c'
const IMAGE_SECURITY = 'cbb219d73a3d9645a3bcdad00e67656f'
const DATABASES: ReadonlyMap<string, KeyDatabase> = new Map([
  [`${GLOBAL} PK`, 'PK'],
  [`${GLOBAL} KEK`, 'KEK'],
  [`${IMAGE_SECURITY} db`, 'db'],
  [`${IMAGE_SECURITY} dbx`, 'dbx'],
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
  for (const replayed of boot.replay.events) {
    const { event, extended, typeName } = replayed
    if (!extended) continue
    add({
      pcr: event.pcr,
      digest: event.digests.get(QUOTED_BANK)?.toString('hex') ?? '',
      at: `event ${event.index}`,
      label: labelOf(replayed),
      fact: factOf(replayed, separated),
    })
    // Only the firmware measures before the separator of PCR 7; what comes after may be anybody's.
    if (event.pcr === SECURE_BOOT_PCR && typeName === 'EV_SEPARATOR') separated = true
  }
  for (const { pcr, digests, index, content, bound } of userspace) {
    add({
      pcr,
      digest: digests.get(QUOTED_BANK)?.toString('hex') ?? '',
      at: `record ${index}`,
      label: bound.has(QUOTED_BANK) ? oneLine(content) : 'not said what',
      fact: null,
    })
  }
  return { byPcr }
}

function factOf({ event, typeName, dataBound, boundBytes }: ReplayedEvent, separated: boolean): Fact | null {
  if (event.pcr !== SECURE_BOOT_PCR || !dataBound) return null
  const variable = readUefiVariable(event.data.subarray(0, boundBytes))
  if (variable === null) return null
  const { name, value } = variable
  if (typeName === 'EV_EFI_VARIABLE_AUTHORITY') {
    return { kind: 'authority', variable: name, key: readAuthorityKey(value) }
  }
  if (separated) return null
  const guid = variable.guid.toString('hex')
  if (guid === GLOBAL && name === 'SecureBoot') {
    return { kind: 'secure-boot', on: value.length === 1 && value[0] === 1 }
  }
  const database = DATABASES.get(`${guid} ${name}`)
  const keys = database && readKeyDatabase(value)
  return database && keys ? { kind: 'keys', database, keys } : null
}

/** Most characters of a label. */
const MAX_LABEL = 160

/** A name for people, made of what the log says. */
function labelOf({ event, typeName }: ReplayedEvent): string {
  const variable = typeName.startsWith('EV_EFI_VARIABLE') ? readUefiVariable(event.data) : null
  if (variable !== null) return oneLine(`${typeName} ${variable.name}`)
  const text = textOf(event.data)
  return text === '' ? typeName : oneLine(`${typeName} ${text}`)
}

function textOf(data: Buffer): string {
  const latin = data.toString('latin1').replace(/\0$/, '')
  if (/^[ -~]+$/.test(latin)) return latin
  const wide = data.toString('utf16le').replace(/\0$/, '')
  return data.length % 2 === 0 && /^[ -~]+$/.test(wide) ? wide : ''
}

function oneLine(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, ' ').trim()
  return line.length > MAX_LABEL ? `${line.slice(0, MAX_LABEL)}…` : line
}
