import {
  type HashAlgorithm,
  hashId,
  hashName,
  hashSize,
  QUOTED_BANK,
  QUOTED_SELECTION,
} from '../tpm2/structures/index.ts'
import { QuoteInputError } from './error.ts'
import type { BankValues } from './pcr-digest.ts'

/** TPM2_MAX_PCR_BANKS, the digests of a TPML_DIGEST and the size of a TPMU_HA, which fix the size of the C structures (tss2_tpm2_types.h). */
const MAX_BANKS = 16
const MAX_DIGESTS = 8
const MAX_DIGEST_BYTES = 64

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/**
 * PCR values in the form of `tpm2_quote --pcr`, which `tpm2_checkquote --pcr` reads: the C structures TPML_PCR_SELECTION and an
 * array of TPML_DIGEST as they are in memory, little-endian (tpm2-tools, lib/files.c and lib/pcr.c).
 *
 * @param values those of {@link QUOTED_SELECTION} in {@link QUOTED_BANK}; null when one is missing
 */
export function encodePcrsFile(values: ReadonlyMap<number, Uint8Array>): Buffer | null {
  const [selection] = QUOTED_SELECTION
  const pcrs = selection?.pcrs ?? []
  const digests = pcrs.map(pcr => values.get(pcr))
  if (!digests.every(digest => digest?.length === hashSize(QUOTED_BANK))) return null
  const bits = pcrs.reduce((mask, pcr) => mask | (1 << pcr), 0)
  const chosen = Buffer.concat([u16(hashId(QUOTED_BANK)), Buffer.of(3), u32(bits), Buffer.alloc(1)])
  const lists = Array.from({ length: Math.ceil(digests.length / MAX_DIGESTS) }, (_, i) =>
    digestList(digests.slice(i * MAX_DIGESTS, (i + 1) * MAX_DIGESTS) as Uint8Array[]),
  )
  const unused = Buffer.alloc((MAX_BANKS - 1) * chosen.length)
  return Buffer.concat([u32(1), chosen, unused, u32(lists.length), ...lists])
}

function digestList(digests: readonly Uint8Array[]): Buffer {
  const slots = digests.map(digest =>
    Buffer.concat([u16(digest.length), digest, Buffer.alloc(MAX_DIGEST_BYTES - digest.length)]),
  )
  const unused = Buffer.alloc((MAX_DIGESTS - digests.length) * (2 + MAX_DIGEST_BYTES))
  return Buffer.concat([u32(digests.length), ...slots, unused])
}

/** Bytes of a TPMS_PCR_SELECTION and of a TPML_DIGEST in memory, and of what stands before the lists. */
const SELECTION_BYTES = 8
const LIST_BYTES = 4 + MAX_DIGESTS * (2 + MAX_DIGEST_BYTES)
const HEAD_BYTES = 4 + MAX_BANKS * SELECTION_BYTES + 4

/** Whether these are as many bytes as such a file has, and none that a text begins with. */
export function isPcrsFile(bytes: Uint8Array): boolean {
  const lists = (bytes.length - HEAD_BYTES) / LIST_BYTES
  return Number.isInteger(lists) && lists > 0 && (bytes[0] ?? 0) <= MAX_BANKS && bytes[1] === 0
}

/**
 * Reads PCR values in the form of `tpm2_quote --pcr`, little-endian. The digests stand in the order of the selection, as many in each list as one
 * TPM2_PCR_Read gave. Banks of other hashes than Writ has are passed over.
 *
 * @param bytes controlled by whoever sent the quote
 * @throws QuoteInputError `QUOTE_PCRS_MALFORMED`
 */
export function parsePcrsFile(bytes: Uint8Array): BankValues {
  if (!isPcrsFile(bytes)) throw malformed(`${bytes.length} bytes are no file of tpm2_quote --pcr`)
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const digests = readLists(file)
  const banks = new Map<HashAlgorithm, Map<number, Buffer>>()
  for (const { bank, pcr } of readSelections(file)) {
    const digest = digests.shift()
    if (digest === undefined) throw malformed('fewer values than PCRs')
    const name = hashName(bank)
    if (name === undefined) continue
    const values = banks.get(name) ?? new Map<number, Buffer>()
    if (digest.length !== hashSize(name) || values.has(pcr)) {
      throw malformed(`PCR ${pcr} of ${name} comes twice, or has ${digest.length} bytes`)
    }
    banks.set(name, values.set(pcr, digest))
  }
  if (digests.length > 0) throw malformed('more values than PCRs')
  return banks
}

function readSelections(file: Buffer): { bank: number; pcr: number }[] {
  const count = file.readUInt32LE(0)
  if (count > MAX_BANKS) throw malformed(`${count} banks`)
  return Array.from({ length: count }, (_, i) => 4 + i * SELECTION_BYTES).flatMap(at => {
    const bank = file.readUInt16LE(at)
    const size = file.readUInt8(at + 2)
    if (size > 4) throw malformed(`a selection of ${size} bytes`)
    const mask = file.readUIntLE(at + 3, 4) % 2 ** (8 * size)
    return Array.from({ length: 8 * size }, (_, pcr) => pcr)
      .filter(pcr => Math.floor(mask / 2 ** pcr) % 2 === 1)
      .map(pcr => ({ bank, pcr }))
  })
}

function readLists(file: Buffer): Buffer[] {
  const lists = file.readUInt32LE(HEAD_BYTES - 4)
  if (HEAD_BYTES + lists * LIST_BYTES !== file.length) throw malformed(`${lists} lists of values`)
  return Array.from({ length: lists }, (_, i) => HEAD_BYTES + i * LIST_BYTES).flatMap(at => {
    const count = file.readUInt32LE(at)
    if (count > MAX_DIGESTS) throw malformed(`${count} values in a list`)
    return Array.from({ length: count }, (_, j) => {
      const slot = at + 4 + j * (2 + MAX_DIGEST_BYTES)
      const size = file.readUInt16LE(slot)
      if (size > MAX_DIGEST_BYTES) throw malformed(`a value of ${size} bytes`)
      return file.subarray(slot + 2, slot + 2 + size)
    })
  })
}

function malformed(what: string): QuoteInputError {
  return new QuoteInputError('QUOTE_PCRS_MALFORMED', `PCR values: ${what}`, { at: 'pcrs' })
}
