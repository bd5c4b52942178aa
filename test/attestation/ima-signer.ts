import { createHash, generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto'
import { kernelHashNumber } from '../../attestation/ima/algorithms.ts'
import { publicKeyBits } from '../../attestation/ima/signature/digest-signature.ts'

/** A key that signs files as evmctl does. */
export class FileSigner {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject

  constructor(kind: 'rsa' | (string & {}) = 'rsa') {
    const { privateKey, publicKey } =
      kind === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: kind })
    this.privateKey = privateKey
    this.publicKey = publicKey
  }

  get spki(): Buffer {
    return this.publicKey.export({ type: 'spki', format: 'der' })
  }

  /** Last four bytes of the SHA-1 of the public key. */
  get keyId(): Buffer {
    return hash('sha1', publicKeyBits(this.publicKey) ?? '', 'buffer').subarray(-4)
  }

  /** The attribute `security.ima` of a file with this content. */
  sign(
    content: Uint8Array,
    { algorithm = 'sha256', version = 2, type = 3, keyId = this.keyId }: SignatureFields = {},
  ): Buffer {
    const number = kernelHashNumber(algorithm) ?? 0
    const digest = createHash(algorithm).update(content).digest()
    // Version 3 signs the type and the hash in front of the digest; what is signed is hashed once more.
    const signed = version === 2 ? content : Buffer.concat([Buffer.of(type, number), digest])
    return this.#attribute(signed, type, version, algorithm, keyId)
  }

  #attribute(signed: Uint8Array, type: number, version: number, algorithm: string, keyId: Buffer): Buffer {
    const signature = sign(algorithm, signed, this.privateKey)
    const size = Buffer.alloc(2)
    size.writeUInt16BE(signature.length)
    const header = Buffer.of(type, version, kernelHashNumber(algorithm) ?? 0)
    return Buffer.concat([header, keyId, size, signature])
  }
}

export interface SignatureFields {
  algorithm?: string
  version?: 2 | 3
  /** `enum evm_ima_xattr_type`. */
  type?: number
  keyId?: Buffer
}
