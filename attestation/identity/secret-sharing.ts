import {
  constants,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'
import { kdfE } from './kdf.ts'

/** What of an EK's public area matters to whoever shares a secret with its TPM. */
export interface EndorsementKey {
  readonly publicKey: KeyObject
  readonly nameAlg: HashAlgorithm
  /** Bits of the EK's AES key. */
  readonly aesBits: 128 | 256
}

/** What a secret is shared for: each use has a label of its own, so that none can be taken for another. */
export type SharingLabel = 'IDENTITY' | 'DUPLICATE' | 'SECRET'

/** A secret that the caller and the TPM with this key have, and what travels between them. */
export interface SharedSecret {
  /** As long as a digest of the key's Name algorithm. */
  readonly secret: Buffer
  /** The content of a TPM2B_ENCRYPTED_SECRET, without its size. */
  readonly encryptedSecret: Buffer
}

/**
 * Shares a fresh secret with the TPM that has the private part of `key` (TPM 2.0 Part 1, Annex B.10 for RSA, C.6 for ECC): for a
 * credential, for the seed of a duplicated object, for the salt of a session.
 */
export function shareSecret(key: EndorsementKey, label: SharingLabel): SharedSecret {
  return key.publicKey.asymmetricKeyType === 'rsa' ? rsa(key, label) : ecc(key, label)
}

/** Annex B.10.2 to B.10.4: a random secret under OAEP, whose label ends with its zero byte. */
function rsa(key: EndorsementKey, label: SharingLabel): SharedSecret {
  const secret = randomBytes(hashSize(key.nameAlg))
  const encryptedSecret = publicEncrypt(
    {
      key: key.publicKey,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: key.nameAlg,
      oaepLabel: Buffer.from(`${label}\0`),
    },
    secret,
  )
  return { secret, encryptedSecret }
}

/** Annex C.6.2 to C.6.4: one-pass ECDH with an ephemeral key; what travels is its TPMS_ECC_POINT. */
function ecc(key: EndorsementKey, label: SharingLabel): SharedSecret {
  const namedCurve = key.publicKey.asymmetricKeyDetails?.namedCurve ?? ''
  const ephemeral = generateKeyPairSync('ec', { namedCurve })
  const z = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: key.publicKey })
  const mine = point(ephemeral.publicKey)
  const secret = kdfE(key.nameAlg, z, label, mine.x, point(key.publicKey).x, hashSize(key.nameAlg) * 8)
  z.fill(0)
  return { secret, encryptedSecret: Buffer.concat([sized(mine.x), sized(mine.y)]) }
}

/** Coordinates as long as the field: a JWK pads them (RFC 7518 section 6.2.1.2), and KDFe wants them so. */
function point(key: KeyObject): { x: Buffer; y: Buffer } {
  const { x = '', y = '' } = key.export({ format: 'jwk' })
  return { x: Buffer.from(x, 'base64url'), y: Buffer.from(y, 'base64url') }
}

/** A TPM2B: 16-bit size, then the bytes (TPM 2.0 Part 2, section 10.4). */
function sized(bytes: Uint8Array): Buffer {
  const size = Buffer.alloc(2)
  size.writeUInt16BE(bytes.length)
  return Buffer.concat([size, bytes])
}
