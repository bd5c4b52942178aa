import { ByteReader } from '../../../encoding/byte-reader.ts'
import { StructureError } from './error.ts'
import { type PcrSelection, readPcrSelection } from './pcr-selection.ts'

/** TPM_GENERATED_VALUE (TPM 2.0 Part 2, section 6.2): 0xff 'TCG'. A restricted key never signs it for others. */
export const TPM_GENERATED = 0xff544347
/** TPM_ST_ATTEST_QUOTE (TPM 2.0 Part 2, section 6.9). */
export const ST_ATTEST_QUOTE = 0x8018

/** TPMS_CLOCK_INFO (TPM 2.0 Part 2, section 10.11.1). */
export interface ClockInfo {
  /** Milliseconds that the TPM has been powered, over its whole life. */
  readonly clock: bigint
  /** TPM resets (boots). */
  readonly resetCount: number
  /** TPM restarts and resumes since the last reset. */
  readonly restartCount: number
  /** False after a power loss until the clock has passed the last value known to be stored. */
  readonly safe: boolean
}

/** A TPMS_ATTEST that says it is a quote. */
export interface QuoteAttest {
  readonly qualifiedSigner: Buffer
  readonly extraData: Buffer
  readonly clock: ClockInfo
  readonly firmwareVersion: bigint
  readonly pcrSelection: readonly PcrSelection[]
  readonly pcrDigest: Buffer
}

/** Reads a TPMS_CLOCK_INFO: 17 bytes. */
export function readClockInfo(reader: ByteReader): ClockInfo {
  const clock = reader.u64be('clockInfo.clock')
  const resetCount = reader.u32be('clockInfo.resetCount')
  const restartCount = reader.u32be('clockInfo.restartCount')
  const safe = reader.u8('clockInfo.safe')
  // TPMI_YES_NO (Part 2, section 9.2).
  if (safe > 1) throw new StructureError('MALFORMED', `clockInfo.safe is ${safe}`, { at: 'clockInfo.safe' })
  return { clock, resetCount, restartCount, safe: safe === 1 }
}

/**
 * Unmarshals a TPMS_ATTEST of a quote (TPM 2.0 Part 2, section 10.12.12). Nothing is verified: until the signature has
 * been, all of it is chosen by whoever sent it.
 *
 * @throws StructureError for another magic or type; EncodingError when bytes are missing or left over
 */
export function parseQuoteAttest(bytes: Uint8Array): QuoteAttest {
  const reader = new ByteReader(bytes, 'TPMS_ATTEST')
  const magic = reader.u32be('magic')
  if (magic !== TPM_GENERATED) {
    throw new StructureError('MALFORMED', `TPMS_ATTEST: magic is 0x${magic.toString(16)}`, { at: 'magic' })
  }
  const type = reader.u16be('type')
  if (type !== ST_ATTEST_QUOTE) {
    throw new StructureError('MALFORMED', `TPMS_ATTEST: type 0x${type.toString(16)} is not a quote`, {
      at: 'type',
    })
  }
  const qualifiedSigner = reader.sized16be('qualifiedSigner')
  const extraData = reader.sized16be('extraData')
  const clock = readClockInfo(reader)
  const firmwareVersion = reader.u64be('firmwareVersion')
  const pcrSelection = readPcrSelection(reader)
  const pcrDigest = reader.sized16be('pcrDigest')
  reader.end()
  return { qualifiedSigner, extraData, clock, firmwareVersion, pcrSelection, pcrDigest }
}
