import { hash } from 'node:crypto'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'
import { EVENT_TYPE, eventTypeName } from './event-type.ts'
import type { EventLog, TcgEvent } from './parse.ts'
import { isSecureBoot, readUefiVariable } from './variable.ts'

/** What a log says that no honest firmware says, even where its digests replay. */
export type EventLogProblemCode =
  | 'EVENT_LOG_PCR_OUT_OF_RANGE'
  | 'EVENT_LOG_STARTUP_LOCALITY'
  | 'EVENT_LOG_DATA_MISMATCH'
  | 'EVENT_LOG_SEPARATOR'
  | 'EVENT_LOG_SECURE_BOOT'

export interface EventLogProblem {
  readonly code: EventLogProblemCode
  readonly message: string
  /** Which event, for example `event 12`. */
  readonly at: string
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

/** What one bank's PCRs are if the log is true. */
export interface EventLogReplay {
  readonly bank: HashAlgorithm
  /** PCR 0 to 15, those that the log does not extend at their reset value. */
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
}

/** PCRs of a PC Client TPM (PTP 1.05, section 4.6). */
const PCR_COUNT = 24
/** The static PCRs, all of which Writ quotes. */
const STATIC_PCRS = 16
/** PFP 1.06, section 10.4.5.3: TCG_EfiStartupLocalityEvent.signature, with one byte after it. */
const STARTUP_LOCALITY = Buffer.from('StartupLocality\0', 'latin1')
/** Part 1, section 10.4: by a normal startup, by locality 3, or after an H-CRTM sequence. */
const STARTUP_LOCALITIES: readonly number[] = [0, 3, 4]
/** PFP 1.06, section 10.4.1: normal, or "Windows" (the other allowed value). 1, an error of the firmware, is none of them. */
const SEPARATORS: readonly string[] = ['00000000', 'ffffffff']
/** PCRs that the firmware closes with a separator. */
const LAST_SEPARATED_PCR = 7
const SECURE_BOOT_PCR = 7
/** PFP 1.06, section 10.4.4. */
const EXIT_BOOT_SERVICES = 'Exit Boot Services Returned with Success'

/** Types whose digest is defined as that of the event's data, so that another digest means altered data. */
const BOUND_TYPES: ReadonlySet<number> = new Set([
  EVENT_TYPE.EV_SEPARATOR,
  EVENT_TYPE.EV_EFI_ACTION,
  EVENT_TYPE.EV_EFI_VARIABLE_DRIVER_CONFIG,
  EVENT_TYPE.EV_EFI_VARIABLE_AUTHORITY,
])

/**
 * Replays a log in one bank and reads the few facts that are bound by digests. Pure; never throws for what a log contains.
 *
 * @param bank must be one of the log's banks, else no PCR is extended
 */
export function replayEventLog(log: EventLog, bank: HashAlgorithm): EventLogReplay {
  const replay = new Replay(bank)
  for (const event of log.events) replay.step(event)
  return replay.result()
}

class Replay {
  readonly #bank: HashAlgorithm
  readonly #pcrs = new Map<number, Buffer>()
  readonly #extended = new Set<number>()
  readonly #events: ReplayedEvent[] = []
  readonly #problems: EventLogProblem[] = []
  readonly #separated = new Set<number>()
  #startupLocality: number | null = null
  #secureBoot: boolean | null = null
  #exitBootServices = false

  constructor(bank: HashAlgorithm) {
    this.#bank = bank
    for (let pcr = 0; pcr < STATIC_PCRS; pcr++) this.#pcrs.set(pcr, Buffer.alloc(hashSize(bank)))
  }

  result(): EventLogReplay {
    return {
      bank: this.#bank,
      pcrs: this.#pcrs,
      extended: this.#extended,
      events: this.#events,
      startupLocality: this.#startupLocality ?? 0,
      secureBoot: this.#secureBoot,
      exitBootServices: this.#exitBootServices,
      problems: this.#problems,
    }
  }

  step(event: TcgEvent): void {
    const extended = event.type !== EVENT_TYPE.EV_NO_ACTION
    const dataBound = extended && this.#isDataBound(event)
    this.#events.push({ event, typeName: eventTypeName(event.type), extended, dataBound })
    if (!extended) {
      this.#readNoAction(event)
      return
    }
    if (event.pcr >= PCR_COUNT) {
      this.#problem('EVENT_LOG_PCR_OUT_OF_RANGE', event, `there is no PCR ${event.pcr}`)
      return
    }
    this.#extend(event)
    if (BOUND_TYPES.has(event.type) && !dataBound) {
      this.#problem('EVENT_LOG_DATA_MISMATCH', event, 'its digest is not that of its data')
      return
    }
    this.#read(event)
  }

  #problem(code: EventLogProblemCode, event: TcgEvent, what: string): void {
    const name = eventTypeName(event.type)
    this.#problems.push({
      code,
      message: `event ${event.index} (${name}, PCR ${event.pcr}): ${what}`,
      at: `event ${event.index}`,
    })
  }

  #extend(event: TcgEvent): void {
    this.#extended.add(event.pcr)
    const value = this.#pcrs.get(event.pcr)
    const digest = event.digests.get(this.#bank)
    // PCR 16 and above are not static; nobody asks the log for them.
    if (value === undefined || digest === undefined) return
    this.#pcrs.set(event.pcr, hash(this.#bank, Buffer.concat([value, digest]), 'buffer'))
  }

  #isDataBound(event: TcgEvent): boolean {
    const digest = event.digests.get(this.#bank)
    if (digest === undefined) return false
    const isDigestOf = (data: Buffer): boolean => hash(this.#bank, data, 'buffer').equals(digest)
    if (isDigestOf(event.data)) return true
    // shim up to 15.4 logs one byte more than it measures (tpm.c, tpm_measure_variable).
    return event.type === EVENT_TYPE.EV_EFI_VARIABLE_AUTHORITY && isDigestOf(event.data.subarray(0, -1))
  }

  /** StartupLocality changes the value that PCR 0 starts from, so it counts once and before PCR 0 is first extended. */
  #readNoAction(event: TcgEvent): void {
    const { data } = event
    if (event.pcr !== 0 || !data.subarray(0, STARTUP_LOCALITY.length).equals(STARTUP_LOCALITY)) return
    const locality = data.at(STARTUP_LOCALITY.length)
    if (
      locality === undefined ||
      data.length !== STARTUP_LOCALITY.length + 1 ||
      !STARTUP_LOCALITIES.includes(locality)
    ) {
      this.#problem('EVENT_LOG_STARTUP_LOCALITY', event, 'the startup locality is not 0, 3 or 4')
    } else if (this.#startupLocality !== null) {
      this.#problem('EVENT_LOG_STARTUP_LOCALITY', event, 'a second startup locality')
    } else if (this.#extended.has(0)) {
      this.#problem('EVENT_LOG_STARTUP_LOCALITY', event, 'a startup locality after PCR 0 was extended')
    } else {
      this.#startupLocality = locality
      // Part 1, section 17.5: PCR 0 starts with the locality in its last byte.
      const start = Buffer.alloc(hashSize(this.#bank))
      start.writeUInt8(locality, start.length - 1)
      this.#pcrs.set(0, start)
    }
  }

  /** Facts from data that a digest binds. */
  #read(event: TcgEvent): void {
    if (event.type === EVENT_TYPE.EV_SEPARATOR) this.#readSeparator(event)
    if (event.type === EVENT_TYPE.EV_EFI_VARIABLE_DRIVER_CONFIG) this.#readSecureBoot(event)
    if (event.type === EVENT_TYPE.EV_EFI_ACTION && event.data.toString('latin1') === EXIT_BOOT_SERVICES) {
      this.#exitBootServices = true
    }
  }

  #readSeparator(event: TcgEvent): void {
    if (event.pcr > LAST_SEPARATED_PCR) return
    if (!SEPARATORS.includes(event.data.toString('hex'))) {
      this.#problem('EVENT_LOG_SEPARATOR', event, 'a separator that is neither 0 nor 0xFFFFFFFF')
    }
    if (this.#separated.has(event.pcr)) this.#problem('EVENT_LOG_SEPARATOR', event, 'a second separator')
    this.#separated.add(event.pcr)
  }

  /** Only the firmware measures before the separator; what comes after may be anybody's. */
  #readSecureBoot(event: TcgEvent): void {
    if (event.pcr !== SECURE_BOOT_PCR || this.#separated.has(SECURE_BOOT_PCR)) return
    const variable = readUefiVariable(event.data)
    if (variable === null || !isSecureBoot(variable)) return
    // Firmware without Secure Boot measures the missing variable as no bytes: that says nothing, neither 0 nor 1.
    const value = variable.value.length === 1 ? variable.value.at(0) : undefined
    if (value !== 0 && value !== 1) return
    if (this.#secureBoot !== null) {
      this.#problem('EVENT_LOG_SECURE_BOOT', event, 'SecureBoot is measured a second time')
      return
    }
    this.#secureBoot = value === 1
  }
}
