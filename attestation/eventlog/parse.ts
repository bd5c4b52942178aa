import { ByteReader } from '../../encoding/byte-reader.ts'
import { EncodingError } from '../../encoding/error.ts'
import { type HashAlgorithm, hashName, hashSize } from '../tpm2/structures/index.ts'
import { EventLogError, type EventLogErrorCode } from './error.ts'
import { EVENT_TYPE } from './event-type.ts'

/** One event. Only `digests` can be right or wrong by themselves: the TPM extended them, or the log lies. */
export interface TcgEvent {
  /** Position in the log; the SpecID event is 0. */
  readonly index: number
  readonly pcr: number
  /** Not measured: never more than a hint on how to read `data`. */
  readonly type: number
  /** One for each declared bank that Writ has the hash of. */
  readonly digests: ReadonlyMap<HashAlgorithm, Buffer>
  /** Bound by a digest only where the replay says so. */
  readonly data: Buffer
}

/** A parsed log, events in order, without the SpecID event. Nothing in it is verified. */
export interface EventLog {
  /** The declared banks that Writ has the hash of. */
  readonly banks: readonly HashAlgorithm[]
  readonly events: readonly TcgEvent[]
}

/** Most bytes of a log that are read. Firmware logs are tens of kilobytes; the kernel allots the firmware's buffer. */
export const MAX_EVENT_LOG_BYTES = 16 << 20
/** More banks than any TPM has. */
const MAX_BANKS = 16
/** PFP 1.06, section 10.4.5.1: TCG_EfiSpecIDEvent.signature. */
const SPEC_ID_SIGNATURE = 'Spec ID Event03\0'
/** What every version of that signature begins with (TPM 1.2: `Spec ID Event02`, `00`). */
const SPEC_ID_FAMILY = 'Spec ID Event'
/** The header is in the TPM 1.2 format, whose digest is SHA-1 (PFP 1.06, section 10.2.1). */
const SHA1_BYTES = 20
/** A digest longer than any hash has. */
const MAX_DIGEST_BYTES = 64

interface Bank {
  readonly id: number
  readonly size: number
  readonly name: HashAlgorithm | undefined
}

function fail(code: EventLogErrorCode, index: number, what: string, cause?: unknown): EventLogError {
  return new EventLogError(code, `event log, event ${index}: ${what}`, { at: `event ${index}`, cause })
}

/**
 * Parses a crypto-agile TCG event log (PFP 1.06, section 10). The bytes are controlled by the host: every read is bounded by what is
 * there, and no length in them allocates anything.
 *
 * @throws EventLogError
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.length > MAX_EVENT_LOG_BYTES) {
    throw fail('EVENT_LOG_TOO_LARGE', 0, `${bytes.length} bytes, at most ${MAX_EVENT_LOG_BYTES} are read`)
  }
  const reader = new ByteReader(bytes, 'TCG event log')
  const events: TcgEvent[] = []
  let index = 0
  try {
    const banks = readSpecId(reader)
    while (reader.remaining > 0) {
      index++
      events.push(readEvent(reader, banks, index))
    }
    return { banks: banks.flatMap(bank => bank.name ?? []), events }
  } catch (cause) {
    if (cause instanceof EncodingError) throw fail('EVENT_LOG_TRUNCATED', index, cause.message, cause)
    throw cause
  }
}

/** The first event: TCG_PCClientPCREvent that holds a TCG_EfiSpecIDEvent (PFP 1.06, section 10.4.5.1). */
function readSpecId(reader: ByteReader): readonly Bank[] {
  if (reader.remaining === 0) throw fail('EVENT_LOG_SPEC_ID_MISSING', 0, 'the log is empty')
  const pcr = reader.u32le('pcrIndex')
  const type = reader.u32le('eventType')
  reader.bytes(SHA1_BYTES, 'digest')
  const data = reader.bytes(reader.u32le('eventSize'), 'event')
  if (pcr !== 0 || type !== EVENT_TYPE.EV_NO_ACTION || !startsWith(data, SPEC_ID_SIGNATURE)) {
    throw fail('EVENT_LOG_SPEC_ID_MISSING', 0, 'the log does not begin with the header of a crypto-agile log')
  }
  return readBanks(new ByteReader(data.subarray(SPEC_ID_SIGNATURE.length), 'TCG_EfiSpecIDEvent'))
}

function readBanks(reader: ByteReader): readonly Bank[] {
  try {
    reader.u32le('platformClass')
    const minor = reader.u8('specVersionMinor')
    const major = reader.u8('specVersionMajor')
    if (major !== 2 || minor !== 0) {
      throw fail('EVENT_LOG_SPEC_ID_MALFORMED', 0, `its version is ${major}.${minor}, not 2.0`)
    }
    reader.u8('specErrata')
    reader.u8('uintnSize')
    const count = reader.u32le('numberOfAlgorithms')
    if (count === 0 || count > MAX_BANKS)
      throw fail('EVENT_LOG_SPEC_ID_MALFORMED', 0, `it declares ${count} banks`)
    const banks: Bank[] = []
    for (let i = 0; i < count; i++) banks.push(readBank(reader, banks))
    reader.bytes(reader.u8('vendorInfoSize'), 'vendorInfo')
    reader.end()
    return banks
  } catch (cause) {
    if (!(cause instanceof EncodingError)) throw cause
    throw fail('EVENT_LOG_SPEC_ID_MALFORMED', 0, cause.message, cause)
  }
}

function readBank(reader: ByteReader, before: readonly Bank[]): Bank {
  const id = reader.u16le('algorithmId')
  const size = reader.u16le('digestSize')
  const name = hashName(id)
  const wrongSize = name === undefined ? size === 0 || size > MAX_DIGEST_BYTES : size !== hashSize(name)
  if (wrongSize || before.some(bank => bank.id === id)) {
    throw fail('EVENT_LOG_SPEC_ID_MALFORMED', 0, `bank 0x${id.toString(16)} with digests of ${size} bytes`)
  }
  return { id, size, name }
}

/** A TCG_PCR_EVENT2 (PFP 1.06, section 10.2.2): one digest for each declared bank, each once. */
function readEvent(reader: ByteReader, banks: readonly Bank[], index: number): TcgEvent {
  const pcr = reader.u32le('pcrIndex')
  const type = reader.u32le('eventType')
  const count = reader.u32le('digests.count')
  const seen = new Set<number>()
  const digests = new Map<HashAlgorithm, Buffer>()
  // However large the count is: a bank that comes a second time ends the loop.
  for (let i = 0; i < count; i++) {
    const id = reader.u16le('digest.algorithmId')
    const bank = banks.find(candidate => candidate.id === id)
    if (bank === undefined || seen.has(id)) {
      throw fail(
        'EVENT_LOG_DIGESTS_MALFORMED',
        index,
        `a digest of bank 0x${id.toString(16)}, undeclared or repeated`,
      )
    }
    seen.add(id)
    const digest = reader.bytes(bank.size, 'digest')
    if (bank.name !== undefined) digests.set(bank.name, digest)
  }
  // A bank without a digest would be extended with something that the log does not say.
  if (seen.size !== banks.length) {
    throw fail('EVENT_LOG_BANK_MISSING', index, `digests for ${seen.size} of ${banks.length} banks`)
  }
  const data = reader.bytes(reader.u32le('eventSize'), 'event')
  if (type === EVENT_TYPE.EV_NO_ACTION && startsWith(data, SPEC_ID_FAMILY)) {
    throw fail('EVENT_LOG_SPEC_ID_REPEATED', index, 'a second header')
  }
  return { index, pcr, type, digests, data }
}

function startsWith(data: Buffer, text: string): boolean {
  return data.subarray(0, text.length).equals(Buffer.from(text, 'latin1'))
}
