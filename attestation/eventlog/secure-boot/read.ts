import type { DecodedKind, LoggedEvent, SbatEntry, VariableContents } from '../decode/index.ts'
import { GUID } from '../decode/index.ts'
import type { TcgEvent } from '../parse.ts'
import { type RegisterKind, registersOf } from '../registers.ts'
import type { SecureBootFacts } from './facts.ts'
import { type Authority, AuthorityPairing } from './image-authority.ts'
import { judgeSecureBoot } from './judge.ts'
import { type KeyDatabase, keyDatabase } from './key-database.ts'
import { problem, type SecureBootProblem } from './problem.ts'
import { isSeparator } from './separator.ts'

/** PFP 1.06, section 10.4.4; Microsoft, "Kernel DMA Protection for OEMs". */
const DEBUGGER = 'UEFI Debug Mode'
const DMA_PROTECTION_DISABLED = 'DMA Protection Disabled'

/**
 * Reads what a log says of Secure Boot. Pure; never throws for what a log contains.
 *
 * @param events all events of the log, decoded in the bank that was quoted
 */
export function readSecureBoot(events: readonly LoggedEvent[], kind: RegisterKind = 'tpm'): SecureBootFacts {
  const reading = new Reading(kind)
  for (const item of events) reading.step(item)
  return reading.result()
}

/** By namespace and name. */
const DATABASES: ReadonlyMap<string, 'pk' | 'kek' | 'db' | 'dbx' | 'dbt' | 'dbr'> = new Map([
  [`${GUID.globalVariable}/PK`, 'pk'],
  [`${GUID.globalVariable}/KEK`, 'kek'],
  [`${GUID.imageSecurityDatabase}/db`, 'db'],
  [`${GUID.imageSecurityDatabase}/dbx`, 'dbx'],
  [`${GUID.imageSecurityDatabase}/dbt`, 'dbt'],
  [`${GUID.imageSecurityDatabase}/dbr`, 'dbr'],
])
const FLAGS: ReadonlyMap<string, 'enabled' | 'setupMode' | 'auditMode' | 'deployedMode'> = new Map([
  [`${GUID.globalVariable}/SecureBoot`, 'enabled'],
  [`${GUID.globalVariable}/SetupMode`, 'setupMode'],
  [`${GUID.globalVariable}/AuditMode`, 'auditMode'],
  [`${GUID.globalVariable}/DeployedMode`, 'deployedMode'],
])

class Reading {
  readonly #kind: RegisterKind
  readonly #register: number
  readonly #flags = new Map<string, boolean>()
  readonly #databases = new Map<string, KeyDatabase>()
  readonly #seen = new Set<string>()
  readonly #authorities: Authority[] = []
  readonly #pairing = new AuthorityPairing()
  readonly #problems: SecureBootProblem[] = []
  #separated = false
  #sbatLevel: readonly SbatEntry[] | null = null
  #mokListTrusted: boolean | null = null
  #dmaProtectionDisabled = false

  constructor(kind: RegisterKind) {
    this.#kind = kind
    this.#register = registersOf(kind).secureBoot
  }

  step(item: LoggedEvent): void {
    const { event, decoded } = item
    const before = this.#authorities.length
    if (event.pcr === this.#register && decoded.measured !== 'nothing') this.#read(item)
    this.#pairing.step(item, this.#authorities[before] ?? null)
  }

  result(): SecureBootFacts {
    const flag = (name: string): boolean | null => this.#flags.get(name) ?? null
    const database = (name: string): KeyDatabase | null => this.#databases.get(name) ?? null
    const facts = {
      enabled: flag('enabled'),
      setupMode: flag('setupMode'),
      auditMode: flag('auditMode'),
      deployedMode: flag('deployedMode'),
      pk: database('pk'),
      kek: database('kek'),
      db: database('db'),
      dbx: database('dbx'),
      dbt: database('dbt'),
      dbr: database('dbr'),
      authorities: this.#authorities,
      images: this.#pairing.images(),
      sbatLevel: this.#sbatLevel,
      mokListTrusted: this.#mokListTrusted,
      dmaProtectionDisabled: this.#dmaProtectionDisabled,
    }
    return { ...facts, problems: [...this.#problems, ...judgeSecureBoot(facts)] }
  }

  #read(item: LoggedEvent): void {
    const { event, decoded } = item
    if (decoded.kind !== 'separator' && isSeparator(event, this.#kind)) {
      this.#separated = true
      this.#unreadable('a separator under the name of something else', event)
      return
    }
    switch (decoded.kind) {
      case 'separator':
        this.#separated = true
        return
      case 'variable':
        this.#readVariable(item, decoded)
        return
      case 'variable-authority':
        this.#readAuthority(item, decoded)
        return
      case 'action':
        this.#readAction(item, decoded)
        return
      default:
        if (this.#kind === 'cc') return
        this.#problems.push(
          problem(
            'SECURE_BOOT_UNREADABLE',
            `${decoded.kind} among the measurements of Secure Boot`,
            event.index,
          ),
        )
    }
  }

  #unreadable(what: string, { index }: TcgEvent): void {
    this.#problems.push(problem('SECURE_BOOT_UNREADABLE', what, index))
  }

  #readVariable({ event }: LoggedEvent, { guid, name, contents }: DecodedKind<'variable'>): void {
    const id = `${guid.value}/${name.value}`
    // A confidential machine measures other configuration into the same register.
    if (this.#kind === 'cc' && !FLAGS.has(id) && !DATABASES.has(id)) return
    if (!contents.bound || !name.bound) {
      this.#unreadable(`no digest binds the variable ${name.value}`, event)
      // Nothing binds the name, so any variable with the value 1 would do; only "off" is believed.
      const isOff = contents.value.form === 'flag' && !contents.value.on
      if (!contents.bound || !isOff) return
    }
    if (this.#separated || this.#seen.has(id)) {
      const how = this.#separated ? 'after the separator' : 'a second time'
      this.#problems.push(problem('SECURE_BOOT_VARIABLE', `${name.value} is measured ${how}`, event.index))
      return
    }
    this.#seen.add(id)
    this.#keep(id, event.index, contents.value)
  }

  #keep(id: string, event: number, contents: VariableContents): void {
    const flag = FLAGS.get(id)
    const database = DATABASES.get(id)
    if (flag !== undefined && contents.form === 'flag') this.#flags.set(flag, contents.on)
    if (database === undefined) return
    if (contents.form === 'signatures') this.#databases.set(database, keyDatabase(event, contents.lists))
    if (contents.form === 'absent') this.#databases.set(database, keyDatabase(event, []))
  }

  #readAuthority({ event }: LoggedEvent, { guid, name, contents }: DecodedKind<'variable-authority'>): void {
    if (!contents.bound || !name.bound) {
      this.#unreadable(`no digest binds the authority ${name.value}`, event)
      return
    }
    const { value } = contents
    if (value.form === 'signature') {
      const phase = this.#separated ? 'after-separator' : 'before-separator'
      const authority = { phase, database: name.value, guid: guid.value, entry: value.entry } as const
      this.#authorities.push({ event: event.index, ...authority })
    }
    if (guid.value !== GUID.shimLock) return
    // The last word counts: shim may start twice.
    if (value.form === 'sbat') this.#sbatLevel = value.entries
    if (value.form === 'flag' && name.value === 'MokListTrusted') this.#mokListTrusted = value.on
  }

  #readAction({ event }: LoggedEvent, { text }: DecodedKind<'action'>): void {
    if (!text.bound) {
      this.#unreadable('no digest binds an action', event)
      return
    }
    if (text.value === DEBUGGER) {
      this.#problems.push(
        problem('SECURE_BOOT_DEBUGGER', 'a debugger was attached to the firmware', event.index),
      )
    }
    if (text.value === DMA_PROTECTION_DISABLED) this.#dmaProtectionDisabled = true
  }
}
