import { hashId, hashSize, QUOTED_BANK, QUOTED_SELECTION } from '../tpm2/structures/index.ts'

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
