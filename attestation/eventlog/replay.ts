import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { type BankName, bankDigestBytes, bankDigestText, isBankDigest } from './bank.ts'
import { hasDataDigest } from './data-digest.ts'
import { EVENT_TYPE, eventTypeName } from './event-type.ts'
import type { EventLog, EventLogFormat, TcgEvent } from './parse.ts'
import { type Quirk, type QuirkName, quirkOf } from './quirks.ts'
import { type RegisterKind, type Registers, registerName, registersOf } from './registers.ts'
import { beginsWith } from './spec-id.ts'
import { isSecureBoot, readUefiVariable } from './variable.ts'

/** What a log says that no honest firmware says, even where its digests replay. */
export type EventLogProblemCode =
  | 'EVENT_LOG_PCR_OUT_OF_RANGE'
  | 'EVENT_LOG_STARTUP_LOCALITY'
  | 'EVENT_LOG_BANK_MISSING'
  | 'EVENT_LOG_DATA_MISMATCH'
  | 'EVENT_LOG_SEPARATOR'
  | 'EVENT_LOG_SECURE_BOOT'

export interface EventLogProblem {
  readonly code: EventLogProblemCode
  readonly message: string
  /** Which event, for example `event 12`. */
  readonly at: string
  /** Its position in the log. */
  readonly index: number
}

/** One event as a report shows it. */
export interface ReplayedEvent {
  readonly event: TcgEvent
  readonly typeName: string
  /** Whether the event changed a PCR. EV_NO_ACTION never does, so nothing in it is attested. */
  readonly extended: boolean
  /** Whether the measured digest is that of `event.data`. Otherwise the data is untrusted: the host may have written anything. */
  readonly dataBound: boolean
}

/** What one bank's registers are if the log is true. */
export interface EventLogReplay<Bank extends BankName = HashAlgorithm> {
  readonly bank: Bank
  readonly registers: RegisterKind
  /** PCR 0 to 15 (all registers of a confidential VM), those that the log does not extend at their reset value; others that it extends. */
  readonly pcrs: ReadonlyMap<number, Buffer>
  /** The PCRs that at least one event extends. */
  readonly extended: ReadonlySet<number>
  readonly events: readonly ReplayedEvent[]
  /** The locality that TPM2_Startup came from. Shown to be true by PCR 0 only. */
  readonly startupLocality: number
  /** What the firmware measured `SecureBoot` as, null when it did not. */
  readonly secureBoot: boolean | null
  /** Whether the boot loader's end of boot services was measured. Its absence is reported, not fatal. */
  readonly exitBootServices: boolean
  readonly problems: readonly EventLogProblem[]
  /** The quirks without which there would be more problems. */
  readonly quirks: readonly QuirkName[]
}

export interface ReplayEventLogOptions {
  /** `tpm` unless the log is that of a confidential VM. */
  readonly registers?: RegisterKind
  /** Known defects that this log may have. */
  readonly quirks?: readonly QuirkName[]
}

/** PFP 1.06, section 10.4.5.3: TCG_EfiStartupLocalityEvent.signature, with one byte after it. */
export const STARTUP_LOCALITY_SIGNATURE = 'StartupLocality\0'
/** Part 1, section 10.4: by a normal startup, by locality 3, or after an H-CRTM sequence. */
const STARTUP_LOCALITIES: readonly number[] = [0, 3, 4]
/** Part 1, section 34.3: what an H-CRTM sequence leaves in PCR 0 before its first extend. */
const HCRTM_LOCALITY = 4
/** PFP 1.06, section 10.4.1: normal, or "Windows" (the other allowed value). 1, an error of the firmware, is none of them. */
const SEPARATORS: readonly string[] = ['00000000', 'ffffffff']
const SEPARATOR_DATA: readonly Buffer[] = SEPARATORS.map(value => Buffer.from(value, 'hex'))
/** PFP 1.06, section 10.4.4. */
export const EXIT_BOOT_SERVICES = 'Exit Boot Services Returned with Success'

/** Types whose digest is defined as that of the event's data, so that another digest means altered data. */
const BOUND_TYPES: ReadonlySet<number> = new Set([
  EVENT_TYPE.EV_SEPARATOR,
  EVENT_TYPE.EV_EFI_ACTION,
  EVENT_TYPE.EV_EFI_VARIABLE_DRIVER_CONFIG,
  EVENT_TYPE.EV_EFI_VARIABLE_AUTHORITY,
])

/** Types whose data is a UEFI_VARIABLE_DATA, among those. */
const VARIABLE_TYPES: ReadonlySet<number> = new Set([
  EVENT_TYPE.EV_EFI_VARIABLE_DRIVER_CONFIG,
  EVENT_TYPE.EV_EFI_VARIABLE_AUTHORITY,
])

/**
 * Replays a log in one bank and reads the few facts that are bound by digests. Pure; never throws for what a log contains.
 *
 * @param bank one whose hash is known; if it is not one of the log's banks, no PCR is extended
 */
export function replayEventLog<Bank extends BankName>(
  log: EventLog,
  bank: Bank,
  options: ReplayEventLogOptions = {},
): EventLogReplay<Bank> {
  const replay = new Replay(log, bank, registersOf(options.registers ?? 'tpm'), options.quirks ?? [])
  for (const event of log.events) replay.step(event)
  return replay.result()
}

class Replay<Bank extends BankName> {
  readonly #bank: Bank
  readonly #format: EventLogFormat
  readonly #declared: number
  readonly #size: number
  /** A register's value and the digest that extends it. */
  readonly #scratch: Buffer
  readonly #registers: Registers
  readonly #quirks: readonly Quirk[]
  readonly #applied = new Set<QuirkName>()
  readonly #pcrs = new Map<number, Buffer>()
  readonly #extended = new Set<number>()
  readonly #events: ReplayedEvent[] = []
  readonly #problems: EventLogProblem[] = []
  readonly #separated = new Set<number>()
  #startupLocality: number | null = null
  #secureBoot: boolean | null = null
  #exitBootServices = false

  constructor(log: EventLog, bank: Bank, registers: Registers, quirks: readonly QuirkName[]) {
    this.#bank = bank
    this.#format = log.format
    this.#declared = log.declared.length
    const size = bankDigestBytes(bank)
    if (size === null) throw new TypeError(`nothing is known of the bank ${bank}`)
    this.#size = size
    this.#scratch = Buffer.alloc(2 * this.#size)
    this.#registers = registers
    this.#quirks = quirks.map(quirkOf)
    for (const pcr of registers.always) this.#pcrs.set(pcr, Buffer.alloc(this.#size))
  }

  result(): EventLogReplay<Bank> {
    return {
      bank: this.#bank,
      registers: this.#registers.kind,
      pcrs: this.#pcrs,
      extended: this.#extended,
      events: this.#events,
      startupLocality: this.#startupLocality ?? 0,
      secureBoot: this.#secureBoot,
      exitBootServices: this.#exitBootServices,
      problems: this.#problems,
      quirks: [...this.#applied],
    }
  }

  step(event: TcgEvent): void {
    const extended = event.type !== EVENT_TYPE.EV_NO_ACTION
    const dataBound = extended && this.#isDataBound(event)
    this.#events.push({ event, typeName: eventTypeName(event.type), extended, dataBound })
    if (event.digests.size !== this.#declared) {
      const what = `digests for ${event.digests.size} of ${this.#declared} banks`
      this.#problem('EVENT_LOG_BANK_MISSING', event, what)
    }
    if (!extended) {
      this.#readNoAction(event)
      return
    }
    if (event.pcr >= this.#registers.count) {
      const name = registerName(this.#registers.kind, event.pcr)
      this.#problem('EVENT_LOG_PCR_OUT_OF_RANGE', event, `there is no ${name}`)
      return
    }
    this.#extend(event)
    if (this.#isHiddenSeparator(event)) this.#separate(event)
    if (dataBound || !BOUND_TYPES.has(event.type)) this.#read(event)
    else if (this.#isValueBound(event)) this.#readSecureBoot(event, false)
    else if (!this.#isExcused(event)) {
      this.#problem('EVENT_LOG_DATA_MISMATCH', event, 'its digest is not that of its data')
    }
  }

  /**
   * A separator under the name of something else (google/go-attestation, docs/event-log-disclosure.md): types are not measured, so who has the
   * machine later can rename the one that ends what the firmware says of Secure Boot, and go on after it. Nothing else that is measured there has
   * four bytes.
   */
  #isHiddenSeparator({ type, pcr, digests }: TcgEvent): boolean {
    if (type === EVENT_TYPE.EV_SEPARATOR || pcr !== this.#registers.secureBoot) return false
    const digest = digests.get(this.#bank)
    return digest !== undefined && SEPARATOR_DATA.some(value => isBankDigest(digest, this.#bank, value))
  }

  /** Whether a quirk explains the digest. The data is still bound by nothing, so that nothing is read from it. */
  #isExcused(event: TcgEvent): boolean {
    const quirk = this.#quirks.find(({ acceptsDigest }) => acceptsDigest?.(event, this.#bank))
    if (quirk === undefined) return false
    this.#applied.add(quirk.name)
    if (event.type === EVENT_TYPE.EV_SEPARATOR) this.#separate(event)
    return true
  }

  #problem(code: EventLogProblemCode, event: TcgEvent, what: string): void {
    const { index } = event
    const name = eventTypeName(event.type)
    const register = registerName(this.#registers.kind, event.pcr)
    const message = `event ${index} (${name}, ${register}): ${what}`
    this.#problems.push({ code, message, at: `event ${index}`, index })
  }

  #extend(event: TcgEvent): void {
    const digest = event.digests.get(this.#bank)
    if (digest === undefined) return
    const { startupLocality } = this.#registers
    if (event.type === EVENT_TYPE.EV_EFI_HCRTM_EVENT && event.pcr === startupLocality) this.#readHcrtm()
    this.#extended.add(event.pcr)
    // The PCRs of a dynamic launch have been reset to 0 if anything was extended into them at all.
    let value = this.#pcrs.get(event.pcr)
    if (value === undefined) {
      value = Buffer.alloc(this.#size)
      this.#pcrs.set(event.pcr, value)
    }
    this.#scratch.set(value)
    this.#scratch.set(digest, this.#size)
    value.write(bankDigestText(this.#bank, this.#scratch), 'latin1')
  }

  #isDataBound(event: TcgEvent): boolean {
    if (hasDataDigest(event, this.#bank)) return true
    // shim up to 15.4 logs one byte more than it measures (tpm.c, tpm_measure_variable).
    const isShims = event.type === EVENT_TYPE.EV_EFI_VARIABLE_AUTHORITY
    const digest = event.digests.get(this.#bank)
    return isShims && digest !== undefined && isBankDigest(digest, this.#bank, event.data.subarray(0, -1))
  }

  /**
   * Some firmware for TPM 1.2 measures the value of a variable alone (Lenovo N1FET43W does), where the PFP wants the whole structure: then
   * nothing binds its name.
   */
  #isValueBound({ digests, type, data }: TcgEvent): boolean {
    if (this.#format !== 'sha1' || !VARIABLE_TYPES.has(type)) return false
    const variable = readUefiVariable(data)
    const digest = digests.get(this.#bank)
    return variable !== null && digest !== undefined && isBankDigest(digest, this.#bank, variable.value)
  }

  /** StartupLocality changes the value that PCR 0 starts from, so it counts once and before PCR 0 is first extended. */
  #readNoAction(event: TcgEvent): void {
    const { data, pcr } = event
    if (pcr !== this.#registers.startupLocality || !beginsWith(data, STARTUP_LOCALITY_SIGNATURE)) return
    const locality = this.#locality(data)
    if (locality === null || !STARTUP_LOCALITIES.includes(locality)) {
      this.#problem('EVENT_LOG_STARTUP_LOCALITY', event, 'the startup locality is not 0, 3 or 4')
    } else if (this.#startupLocality !== null) {
      this.#problem('EVENT_LOG_STARTUP_LOCALITY', event, 'a second startup locality')
    } else if (this.#extended.has(pcr)) {
      this.#problem('EVENT_LOG_STARTUP_LOCALITY', event, 'a startup locality after PCR 0 was extended')
    } else this.#start(locality)
  }

  /** The one byte behind the signature. */
  #locality(data: Buffer): number | null {
    if (data.length === STARTUP_LOCALITY_SIGNATURE.length + 1) return data.at(-1) ?? null
    for (const { name, readStartupLocality } of this.#quirks) {
      const locality = readStartupLocality?.(data) ?? null
      if (locality === null) continue
      this.#applied.add(name)
      return locality
    }
    return null
  }

  /** What the CPU measured before TPM2_Startup leaves PCR 0 at 4 even where no StartupLocality says so (PFP 1.06, section 10.4.5.3). */
  #readHcrtm(): void {
    const isFirst = this.#startupLocality === null && !this.#extended.has(0)
    if (isFirst) this.#start(HCRTM_LOCALITY)
  }

  /** Part 1, section 17.5: PCR 0 starts with the locality in its last byte. */
  #start(locality: number): void {
    this.#startupLocality = locality
    const value = Buffer.alloc(this.#size)
    value.writeUInt8(locality, value.length - 1)
    this.#pcrs.set(0, value)
  }

  /** Facts from data that a digest binds. */
  #read(event: TcgEvent): void {
    if (event.type === EVENT_TYPE.EV_SEPARATOR) this.#readSeparator(event)
    if (event.type === EVENT_TYPE.EV_EFI_VARIABLE_DRIVER_CONFIG) this.#readSecureBoot(event, true)
    // Anybody can extend a PCR of the operating system with this text; only the firmware extends PCR 5 before it hands over.
    const isExit = event.type === EVENT_TYPE.EV_EFI_ACTION && event.pcr === this.#registers.exitBootServices
    if (isExit && event.data.toString('latin1') === EXIT_BOOT_SERVICES) this.#exitBootServices = true
  }

  #readSeparator(event: TcgEvent): void {
    if (!this.#registers.isSeparated(event.pcr)) return
    if (!SEPARATORS.includes(event.data.toString('hex'))) {
      this.#problem('EVENT_LOG_SEPARATOR', event, 'a separator that is neither 0 nor 0xFFFFFFFF')
    }
    this.#separate(event)
  }

  #separate(event: TcgEvent): void {
    if (!this.#registers.isSeparated(event.pcr)) return
    if (this.#registers.separatorsAreUnique && this.#separated.has(event.pcr)) {
      this.#problem('EVENT_LOG_SEPARATOR', event, 'a second separator')
    }
    this.#separated.add(event.pcr)
  }

  /**
   * Only the firmware measures before the separator; what comes after may be anybody's. Where nothing binds the name, any variable with the
   * value 1 would do, so that only "off" is believed.
   */
  #readSecureBoot(event: TcgEvent, nameBound: boolean): void {
    const { secureBoot } = this.#registers
    if (event.pcr !== secureBoot || this.#separated.has(secureBoot)) return
    const variable = readUefiVariable(event.data)
    if (variable === null || !isSecureBoot(variable)) return
    // Firmware without Secure Boot measures the missing variable as no bytes: that says nothing, neither 0 nor 1.
    const value = variable.value.length === 1 ? variable.value.at(0) : undefined
    if (value !== 0 && (value !== 1 || !nameBound)) return
    if (this.#secureBoot !== null) {
      this.#problem('EVENT_LOG_SECURE_BOOT', event, 'SecureBoot is measured a second time')
      return
    }
    this.#secureBoot = value === 1
  }
}
