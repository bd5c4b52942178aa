import { createHash, createHmac } from 'node:crypto'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** The label with the zero byte behind it that both functions hash (TPM 2.0 Part 1, sections 11.4.10.2, 11.4.10.3). */
function terminated(label: string): Buffer {
  return Buffer.from(`${label}\0`, 'ascii')
}

function expand(bits: number, block: (counter: Buffer) => Buffer, blockSize: number): Buffer {
  const bytes = bits / 8
  const blocks = Array.from({ length: Math.ceil(bytes / blockSize) }, (_, i) => block(u32(i + 1)))
  return Buffer.concat(blocks).subarray(0, bytes)
}

/**
 * KDFa: SP 800-108 in counter mode over HMAC (TPM 2.0 Part 1, section 11.4.10.2).
 *
 * @param bits length of the result, a multiple of 8
 */
export function kdfA(
  hash: HashAlgorithm,
  key: Uint8Array,
  label: string,
  contextU: Uint8Array,
  contextV: Uint8Array,
  bits: number,
): Buffer {
  const suffix = Buffer.concat([terminated(label), contextU, contextV, u32(bits)])
  return expand(bits, i => createHmac(hash, key).update(i).update(suffix).digest(), hashSize(hash))
}

/**
 * KDFe: SP 800-56A concatenation of a shared ECDH secret (TPM 2.0 Part 1, section 11.4.10.3).
 *
 * @param z x coordinate of the shared point, as long as the field
 * @param bits length of the result, a multiple of 8
 */
export function kdfE(
  hash: HashAlgorithm,
  z: Uint8Array,
  label: string,
  partyU: Uint8Array,
  partyV: Uint8Array,
  bits: number,
): Buffer {
  const suffix = Buffer.concat([z, terminated(label), partyU, partyV])
  return expand(bits, i => createHash(hash).update(i).update(suffix).digest(), hashSize(hash))
}
