import { ByteReader } from '../../encoding/byte-reader.ts'
import { EncodingError } from '../../encoding/error.ts'
import { bankOf, type EventLogBank } from './bank.ts'
import { EventLogError } from './error.ts'

/**
 * TCG_EfiSpecIDEvent (PFP 1.06, section 10.4.5.1): what the header of a crypto-agile log says. No digest binds it: whoever wrote the
 * log chose it.
 */
export interface SpecId {
  /** 0 for a client, 1 for a server. */
  readonly platformClass: number
  /** 2.0 in every version of the profile for TPM 2.0; the errata tell the versions apart (105, 106). */
  readonly version: { readonly major: number; readonly minor: number; readonly errata: number }
  /** 1 for 32-bit UEFI, 2 for 64-bit; some firmware says 8. */
  readonly uintnSize: number
  readonly banks: readonly EventLogBank[]
  readonly vendorInfo: Buffer
}

/** PFP 1.06, section 10.4.5.1: TCG_EfiSpecIDEvent.signature. */
export const SPEC_ID_SIGNATURE = 'Spec ID Event03\0'
/** What every version of that signature begins with. */
export const SPEC_ID_FAMILY = 'Spec ID Event'
/** The headers of SHA-1 logs: TCG PC Client Implementation Specification for Conventional BIOS 1.21 and EFI Platform 1.22. */
export const SHA1_SPEC_ID_SIGNATURES: readonly string[] = ['Spec ID Event00\0', 'Spec ID Event02\0']

/** More banks than any TPM has. */
const MAX_BANKS = 16
/** A digest longer than any hash has. */
const MAX_DIGEST_BYTES = 64

function malformed(what: string, cause?: unknown): EventLogError {
  return new EventLogError('EVENT_LOG_SPEC_ID_MALFORMED', `event log, event 0: ${what}`, {
    at: 'event 0',
    offset: 0,
    cause,
  })
}

/** Whether data begins with this text; what follows may be anything. */
export function beginsWith(data: Buffer, text: string): boolean {
  return data.length >= text.length && data.toString('latin1', 0, text.length) === text
}

/**
 * Reads the data of the header event, behind its signature. The count of banks allocates nothing before each bank has been read.
 *
 * @throws EventLogError `EVENT_LOG_SPEC_ID_MALFORMED`
 */
export function readSpecId(data: Buffer): SpecId {
  const reader = new ByteReader(data.subarray(SPEC_ID_SIGNATURE.length), 'TCG_EfiSpecIDEvent')
  try {
    const platformClass = reader.u32le('platformClass')
    const minor = reader.u8('specVersionMinor')
    const major = reader.u8('specVersionMajor')
    if (major !== 2 || minor !== 0) throw malformed(`its version is ${major}.${minor}, not 2.0`)
    const errata = reader.u8('specErrata')
    const uintnSize = reader.u8('uintnSize')
    const count = reader.u32le('numberOfAlgorithms')
    if (count === 0 || count > MAX_BANKS) throw malformed(`it declares ${count} banks`)
    const banks: EventLogBank[] = []
    for (let i = 0; i < count; i++) banks.push(readBank(reader, banks))
    const vendorInfo = reader.bytes(reader.u8('vendorInfoSize'), 'vendorInfo')
    reader.end()
    return { platformClass, version: { major, minor, errata }, uintnSize, banks, vendorInfo }
  } catch (cause) {
    if (!(cause instanceof EncodingError)) throw cause
    throw malformed(cause.message, cause)
  }
}

function readBank(reader: ByteReader, before: readonly EventLogBank[]): EventLogBank {
  const id = reader.u16le('algorithmId')
  const size = reader.u16le('digestSize')
  const bank = size === 0 || size > MAX_DIGEST_BYTES ? null : bankOf(id, size)
  if (bank === null || before.some(other => other.id === id)) {
    throw malformed(`bank 0x${id.toString(16)} with digests of ${size} bytes, or a second time`)
  }
  return bank
}
