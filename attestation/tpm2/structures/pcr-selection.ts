import type { ByteReader } from '../../../encoding/byte-reader.ts'
import { type HashAlgorithm, hashId } from './algorithms.ts'
import { StructureError } from './error.ts'

/** One TPMS_PCR_SELECTION: a bank and the PCRs chosen from it, ascending. */
export interface PcrSelection {
  /** TPM_ALG_ID of the bank. */
  readonly bank: number
  readonly pcrs: readonly number[]
}

/** What Writ quotes and judges, always: the SHA-256 bank, PCR 0 to 15. */
export const QUOTED_PCRS: readonly number[] = Array.from({ length: 16 }, (_, pcr) => pcr)
export const QUOTED_BANK: HashAlgorithm = 'sha256'
export const QUOTED_SELECTION: readonly PcrSelection[] = [{ bank: hashId(QUOTED_BANK), pcrs: QUOTED_PCRS }]

/** Banks that a TPM can have at most (Part 2, HASH_COUNT; 16 covers every registered hash). */
const MAX_BANKS = 16
/** Bytes of a selection's bit map: PCR_SELECT_MAX is 3 or 4 on every TPM; 32 would be 256 PCRs. */
const MAX_SELECT_BYTES = 32
/** PCR_SELECT_MIN of a PC Client TPM: 24 PCRs (PC Client Platform TPM Profile 1.05, section 4.6). */
const SELECT_BYTES = 3

/** Reads a TPML_PCR_SELECTION (TPM 2.0 Part 2, section 10.9.7). */
export function readPcrSelection(reader: ByteReader): PcrSelection[] {
  const count = reader.u32be('pcrSelect.count')
  if (count > MAX_BANKS) throw new StructureError('MALFORMED', `PCR selection of ${count} banks`)
  const out: PcrSelection[] = []
  for (let i = 0; i < count; i++) {
    const bank = reader.u16be('pcrSelection.hash')
    const size = reader.u8('pcrSelection.sizeofSelect')
    if (size > MAX_SELECT_BYTES) throw new StructureError('MALFORMED', `PCR bit map of ${size} bytes`)
    const bits = reader.bytes(size, 'pcrSelection.pcrSelect')
    const pcrs: number[] = []
    for (let pcr = 0; pcr < size * 8; pcr++) {
      if (((bits[pcr >> 3] ?? 0) >> (pcr & 7)) & 1) pcrs.push(pcr)
    }
    out.push({ bank, pcrs })
  }
  return out
}

/** Marshals a TPML_PCR_SELECTION with three-byte bit maps. */
export function writePcrSelection(selections: readonly PcrSelection[]): Buffer {
  const out = Buffer.alloc(4 + selections.length * (3 + SELECT_BYTES))
  let at = out.writeUInt32BE(selections.length)
  for (const { bank, pcrs } of selections) {
    at = out.writeUInt16BE(bank, at)
    at = out.writeUInt8(SELECT_BYTES, at)
    for (const pcr of pcrs) {
      if (!Number.isInteger(pcr) || pcr < 0 || pcr >= SELECT_BYTES * 8) throw new RangeError(`no PCR ${pcr}`)
      const index = at + (pcr >> 3)
      out.writeUInt8(out.readUInt8(index) | (1 << (pcr & 7)), index)
    }
    at += SELECT_BYTES
  }
  return out
}

/** Whether two selections name the same PCRs of the same banks in the same order. An empty one equals nothing. */
export function sameSelection(a: readonly PcrSelection[], b: readonly PcrSelection[]): boolean {
  return (
    a.length > 0 &&
    a.length === b.length &&
    a.every((left, i) => {
      const right = b[i]
      return (
        right !== undefined &&
        left.bank === right.bank &&
        left.pcrs.length > 0 &&
        left.pcrs.length === right.pcrs.length &&
        left.pcrs.every((pcr, j) => pcr === right.pcrs[j])
      )
    })
  )
}
