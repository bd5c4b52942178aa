import { kernelHash } from '../algorithms.ts'

/** What a signature is of (`enum evm_ima_xattr_type`, security/integrity/integrity.h). */
export const SIGNATURE_TYPE = { 3: 'ima', 5: 'evm-portable', 6: 'verity' } as const
export type SignatureType = (typeof SIGNATURE_TYPE)[keyof typeof SIGNATURE_TYPE]

/** A signature as the extended attribute holds it (struct signature_v2_hdr, integrity.h). */
export interface FileSignature {
  readonly type: SignatureType
  /** The type's number, which version 3 signs as well. */
  readonly typeByte: number
  /** 2: over the digest. 3: over the digest, what it is of, and by which hash. */
  readonly version: 2 | 3
  /** The kernel's name of the hash. */
  readonly hash: string
  readonly hashNumber: number
  /** Eight hexadecimal digits. */
  readonly keyId: string
  readonly signature: Buffer
}

const HEADER_BYTES = 9

/**
 * Reads a signature, or says why it is none that can be checked.
 *
 * @param bytes controlled by the host
 */
export function readFileSignature(bytes: Buffer): FileSignature | string {
  const [typeByte = 0, version = 0, hashNumber = 0] = bytes
  const type = SIGNATURE_TYPE[typeByte as keyof typeof SIGNATURE_TYPE] as SignatureType | undefined
  if (type === undefined) return `an attribute of type ${typeByte}`
  if (version !== 2 && version !== 3) return `version ${version} of the signature's format`
  if (bytes.length < HEADER_BYTES) return 'a signature that is cut short'
  const algorithm = kernelHash(hashNumber)
  if (algorithm === undefined) return `hash number ${hashNumber}`
  // An fs-verity digest is signed together with what it is, in version 3 alone (ima_appraise.c, xattr_verify).
  if (type === 'verity' && version !== 3) return 'a signature of a fs-verity digest in version 2'
  const signature = bytes.subarray(HEADER_BYTES)
  if (bytes.readUInt16BE(HEADER_BYTES - 2) !== signature.length)
    return 'a signature whose length is not what it says'
  const keyId = bytes.toString('hex', 3, 7)
  return { type, typeByte, version, hash: algorithm.name, hashNumber, keyId, signature }
}
