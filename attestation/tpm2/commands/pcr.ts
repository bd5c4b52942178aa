import type { ByteReader } from '../../../encoding/byte-reader.ts'
import { TPM_CC } from '../constants.ts'
import { TpmError } from '../error.ts'
import { permanent, type TpmCommand } from '../marshal.ts'
import {
  type HashAlgorithm,
  hashFromId,
  hashId,
  hashSize,
  type PcrSelection,
  readPcrSelection,
  writePcrSelection,
} from '../structures/index.ts'
import { u16, u32 } from '../structures/integers.ts'

/** One TPM2_PCR_Read: at most eight PCRs of those asked for (TPML_DIGEST, Part 2, section 10.9.4). */
export interface PcrReading {
  /** Counts extends; two readings belong together if it is the same. */
  readonly updateCounter: number
  readonly values: readonly { readonly bank: HashAlgorithm; readonly pcr: number; readonly value: Buffer }[]
}

/** TPM2_PCR_Read (TPM 2.0 Part 3, section 22.4). */
export function pcrReadCommand(selection: readonly PcrSelection[]): TpmCommand<PcrReading> {
  return {
    title: 'TPM2_PCR_Read',
    code: TPM_CC.PCR_Read,
    handles: [],
    parameters: writePcrSelection(selection),
    parse(reader) {
      const updateCounter = reader.u32be('pcrUpdateCounter')
      const read = readPcrSelection(reader).flatMap(({ bank, pcrs }) => pcrs.map(pcr => ({ bank, pcr })))
      const count = reader.u32be('pcrValues.count')
      if (count !== read.length) {
        throw new TpmError('TPM_MALFORMED', `TPM2_PCR_Read: ${count} values for ${read.length} PCRs`)
      }
      const values = read.map(({ bank, pcr }) => readValue(reader, selection, bank, pcr))
      return { updateCounter, values }
    },
  }
}

function readValue(reader: ByteReader, asked: readonly PcrSelection[], id: number, pcr: number) {
  const bank = hashFromId(id, 'pcrSelectionOut.hash')
  const value = Buffer.from(reader.sized16be('digest'))
  if (value.length !== hashSize(bank) || !asked.some(s => s.bank === id && s.pcrs.includes(pcr))) {
    throw new TpmError(
      'TPM_MALFORMED',
      `TPM2_PCR_Read: PCR ${pcr} of ${bank} not asked for, or of wrong size`,
    )
  }
  return { bank, pcr, value }
}

/** TPM2_PCR_Extend (Part 3, section 22.2) with one digest for each bank. A PCR's handle is its number. */
export function pcrExtendCommand(
  pcr: number,
  digests: readonly { readonly bank: HashAlgorithm; readonly digest: Uint8Array }[],
): TpmCommand<void> {
  const list = digests.map(({ bank, digest }) => {
    if (digest.length !== hashSize(bank)) throw new RangeError(`a ${bank} digest of ${digest.length} bytes`)
    return Buffer.concat([u16(hashId(bank)), digest])
  })
  return {
    title: 'TPM2_PCR_Extend',
    code: TPM_CC.PCR_Extend,
    handles: [permanent(pcr)],
    parameters: Buffer.concat([u32(list.length), ...list]),
    parse: () => undefined,
  }
}
