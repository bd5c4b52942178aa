import { ByteReader } from '../../encoding/byte-reader.ts'
import { EncodingError } from '../../encoding/error.ts'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { type BankName, bankOf, type EventLogBank, isHashAlgorithm } from './bank.ts'
import { EventLogError, type EventLogErrorCode } from './error.ts'
import { EVENT_TYPE } from './event-type.ts'
import {
  beginsWith,
  readSpecId,
  SHA1_SPEC_ID_SIGNATURES,
  SPEC_ID_FAMILY,
  SPEC_ID_SIGNATURE,
  type SpecId,
} from './spec-id.ts'

/** One event. Only `digests` can be right or wrong by themselves: the TPM extended them, or the log lies. */
export interface TcgEvent {
  /** Position in the log; the header of a crypto-agile log is 0. */
  readonly index: number
  /** The byte of the log at which the event begins. */
  readonly offset: number
  /** The PCR; in a log of a confidential VM, the measurement register. */
  readonly pcr: number
  /** Not measured: never more than a hint on how to read `data`. */
  readonly type: number
  /** One for each declared bank. */
  readonly digests: ReadonlyMap<BankName, Buffer>
  /** Bound by a digest only where the replay says so. */
  readonly data: Buffer
}

/**
 * `agile`: a header that declares the banks, then TCG_PCR_EVENT2 (PFP 1.06, section 10.2.2). `ccel`: the same with the header in measurement
 * register 1, which says that it comes from a confidential VM (EDK II OvmfPkg/Tcg/TdTcg2Dxe). `sha1`: TCG_PCClientPCREvent only (section
 * 10.2.1), as TPM 1.2 and early TPM 2.0 firmware write. `empty`: no byte at all, or padding alone.
 */
export type EventLogFormat = 'agile' | 'ccel' | 'sha1' | 'empty'

/** Bytes behind the last event, all of one value. */
export interface Padding {
  readonly offset: number
  readonly bytes: number
  readonly value: 0x00 | 0xff
}

/** A parsed log. Nothing in it is verified. */
export interface EventLog {
  readonly format: EventLogFormat
  /** The declared banks whose hash Writ quotes. */
  readonly banks: readonly HashAlgorithm[]
  /** All declared banks, in the log's order. */
  readonly declared: readonly EventLogBank[]
  /** The first event of a crypto-agile log, and what it says. */
  readonly header: TcgEvent | null
  readonly specId: SpecId | null
  /** In order, without the header. */
  readonly events: readonly TcgEvent[]
  readonly padding: Padding | null
}

/** What a caller takes. Without anything said, what the kernel of a TPM 2.0 host gives: a crypto-agile log, complete to its last byte. */
export interface ParseEventLogOptions {
  readonly formats?: readonly EventLogFormat[]
  /**
   * Whether bytes of 0x00 or 0xff may follow the last event: the log area of firmware (ACPI TCPA and CCEL tables) is larger than the log.
   * The kernel cuts them off (drivers/char/tpm/eventlog/tpm1.c, tpm2.c), so that in what it gives they are damage.
   */
  readonly padding?: boolean
  /** Whether an event may lack digests of declared banks, so that it can be shown. Judging such a log still fails. */
  readonly missingDigests?: boolean
  /** A bank that the log has to declare. */
  readonly requiredBank?: BankName
}

/** Everything that can be read: for showing a log and for judging logs of any origin. */
export const ANY_EVENT_LOG: ParseEventLogOptions = {
  formats: ['agile', 'ccel', 'sha1', 'empty'],
  padding: true,
  missingDigests: true,
}

/** Most bytes of a log that are read. Firmware logs are tens of kilobytes; the kernel allots the firmware's buffer. */
export const MAX_EVENT_LOG_BYTES = 16 << 20
/** Most events: real logs have hundreds. Keeps what a log costs in memory far below what its bytes could ask for. */
export const MAX_EVENTS = 1 << 15
/** The digest of TCG_PCClientPCREvent (PFP 1.06, section 10.2.1). */
const SHA1_BYTES = 20
const SHA1_BANK = bankOf(0x0004, SHA1_BYTES) as EventLogBank

function fail(
  code: EventLogErrorCode,
  { index, offset }: { index: number; offset: number },
  what: string,
  cause?: unknown,
): EventLogError {
  return new EventLogError(code, `event log, event ${index} at byte ${offset}: ${what}`, {
    at: `event ${index}`,
    offset,
    cause,
  })
}

/**
 * Parses a TCG event log (PFP 1.06, section 10). The bytes are controlled by the host: every read is bounded by what is
 * there, and no length in them allocates anything.
 *
 * @throws EventLogError with the `offset` of the event at fault
 */
export function parseEventLog(bytes: Uint8Array, options: ParseEventLogOptions = {}): EventLog {
  return new EventLogParser(bytes, options).parse()
}

class EventLogParser {
  readonly #bytes: Buffer
  readonly #reader: ByteReader
  readonly #options: ParseEventLogOptions
  readonly #formats: readonly EventLogFormat[]
  readonly #events: TcgEvent[] = []
  /** Where the event begins that is being read. */
  #at = { index: 0, offset: 0 }

  constructor(bytes: Uint8Array, options: ParseEventLogOptions) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#reader = new ByteReader(bytes, 'TCG event log')
    this.#options = options
    this.#formats = options.formats ?? ['agile']
  }

  parse(): EventLog {
    const { length } = this.#bytes
    if (length > MAX_EVENT_LOG_BYTES) {
      throw this.#fail('EVENT_LOG_TOO_LARGE', `${length} bytes, at most ${MAX_EVENT_LOG_BYTES} are read`)
    }
    try {
      const log = this.#read()
      const { requiredBank } = this.#options
      if (requiredBank !== undefined && !log.declared.some(({ name }) => name === requiredBank)) {
        this.#at = { index: 0, offset: 0 }
        throw this.#fail('EVENT_LOG_BANK_MISSING', `the log has no bank ${requiredBank}`)
      }
      return log
    } catch (cause) {
      if (cause instanceof EncodingError) throw this.#fail('EVENT_LOG_TRUNCATED', cause.message, cause)
      throw cause
    }
  }

  #read(): EventLog {
    if (this.#bytes.length === 0) {
      if (!this.#formats.includes('empty')) throw this.#fail('EVENT_LOG_SPEC_ID_MISSING', 'the log is empty')
      return this.#log('empty', [], null, null, null)
    }
    const paddingAt = this.#options.padding ? startOfPadding(this.#bytes) : this.#bytes.length
    if (paddingAt === 0 && this.#formats.includes('empty')) {
      return this.#log('empty', [], null, null, this.#padding(0))
    }
    const first = this.#readSha1Event()
    const format = headerFormat(first)
    if (format !== null && this.#formats.includes(format)) {
      const specId = readSpecId(first.data)
      const read = (): TcgEvent => this.#readAgileEvent(specId.banks)
      return this.#log(format, specId.banks, first, specId, this.#readEvents(read, paddingAt))
    }
    if (!this.#formats.includes('sha1') || beginsWith(first.data, SPEC_ID_SIGNATURE)) {
      const what = 'the log does not begin with the header of a log that is taken here'
      throw this.#fail('EVENT_LOG_SPEC_ID_MISSING', what)
    }
    this.#checkSha1Header(first)
    this.#events.push(first)
    const padding = this.#readEvents(() => this.#readSha1Event(), paddingAt)
    return this.#log('sha1', [SHA1_BANK], null, null, padding)
  }

  #log(
    format: EventLogFormat,
    declared: readonly EventLogBank[],
    header: TcgEvent | null,
    specId: SpecId | null,
    padding: Padding | null,
  ): EventLog {
    const banks = declared.map(({ name }) => name).filter(isHashAlgorithm)
    return { format, banks, declared, header, specId, events: this.#events, padding }
  }

  #fail(code: EventLogErrorCode, what: string, cause?: unknown): EventLogError {
    return fail(code, this.#at, what, cause)
  }

  #padding(offset: number): Padding {
    const value = this.#bytes[offset] === 0 ? 0x00 : 0xff
    return { offset, bytes: this.#bytes.length - offset, value }
  }

  /** Reads events until the end or the padding; the first one of a SHA-1 log is one of them. */
  #readEvents(read: () => TcgEvent, paddingAt: number): Padding | null {
    while (this.#reader.remaining > 0) {
      const { offset } = this.#reader
      if (offset >= paddingAt) return this.#padding(offset)
      const index = this.#at.index + 1
      this.#at = { index, offset }
      if (index > MAX_EVENTS) throw this.#fail('EVENT_LOG_TOO_LARGE', `more than ${MAX_EVENTS} events`)
      const event = read()
      if (event.type === EVENT_TYPE.EV_NO_ACTION && beginsWith(event.data, SPEC_ID_FAMILY)) {
        throw this.#fail('EVENT_LOG_SPEC_ID_REPEATED', 'a second header')
      }
      this.#events.push(event)
    }
    return null
  }

  /** The first event of a SHA-1 log is an event like any other; where it is a header, then one of a version that is known. */
  #checkSha1Header(first: TcgEvent): void {
    const isSpecId = first.type === EVENT_TYPE.EV_NO_ACTION && beginsWith(first.data, SPEC_ID_FAMILY)
    if (isSpecId && !SHA1_SPEC_ID_SIGNATURES.some(signature => beginsWith(first.data, signature))) {
      throw this.#fail('EVENT_LOG_SPEC_ID_MALFORMED', 'a header of a version that is not known')
    }
  }

  /** TCG_PCClientPCREvent (PFP 1.06, section 10.2.1). */
  #readSha1Event(): TcgEvent {
    const reader = this.#reader
    const pcr = reader.u32le('pcrIndex')
    const type = reader.u32le('eventType')
    const digests = new Map<BankName, Buffer>([['sha1', reader.bytes(SHA1_BYTES, 'digest')]])
    const data = reader.bytes(reader.u32le('eventSize'), 'event')
    return { ...this.#at, pcr, type, digests, data }
  }

  /** TCG_PCR_EVENT2 (PFP 1.06, section 10.2.2): one digest for each declared bank, each once. */
  #readAgileEvent(banks: readonly EventLogBank[]): TcgEvent {
    const reader = this.#reader
    const pcr = reader.u32le('pcrIndex')
    const type = reader.u32le('eventType')
    const count = reader.u32le('digests.count')
    const digests = new Map<BankName, Buffer>()
    // However large the count is: a bank that comes a second time ends the loop.
    for (let i = 0; i < count; i++) {
      const id = reader.u16le('digest.algorithmId')
      const bank = banks.find(candidate => candidate.id === id)
      if (bank === undefined || digests.has(bank.name)) {
        const what = `a digest of bank 0x${id.toString(16)}, undeclared or repeated`
        throw this.#fail('EVENT_LOG_DIGESTS_MALFORMED', what)
      }
      digests.set(bank.name, reader.bytes(bank.digestBytes, 'digest'))
    }
    // A bank without a digest would be extended with something that the log does not say.
    if (digests.size !== banks.length && this.#options.missingDigests !== true) {
      throw this.#fail('EVENT_LOG_BANK_MISSING', `digests for ${digests.size} of ${banks.length} banks`)
    }
    const data = reader.bytes(reader.u32le('eventSize'), 'event')
    return { ...this.#at, pcr, type, digests, data }
  }
}

/** What the first event says the log is: never extended, with the signature, and in the register that such a log has it in. */
function headerFormat({ pcr, type, data }: TcgEvent): 'agile' | 'ccel' | null {
  if (type !== EVENT_TYPE.EV_NO_ACTION || !beginsWith(data, SPEC_ID_SIGNATURE)) return null
  if (pcr === 0) return 'agile'
  return pcr === 1 ? 'ccel' : null
}

/** Where the run of one padding value begins that ends the log; the length when there is none. Each byte is looked at once. */
function startOfPadding(bytes: Buffer): number {
  const value = bytes[bytes.length - 1]
  if (value !== 0x00 && value !== 0xff) return bytes.length
  let start = bytes.length
  while (start > 0 && bytes[start - 1] === value) start--
  return start
}
