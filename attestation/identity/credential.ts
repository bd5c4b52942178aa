import { createCipheriv, createHmac, type KeyObject } from 'node:crypto'
import { hashSize, isName } from '../tpm2/structures/index.ts'
import { IdentityError } from './error.ts'
import { kdfA } from './kdf.ts'
import { type EndorsementKey, shareSecret } from './secret-sharing.ts'

/** What the TPM gets: both go into TPM2_ActivateCredential as they are. */
export interface Credential {
  /** TPM2B_ID_OBJECT with its size. */
  readonly credentialBlob: Buffer
  /** TPM2B_ENCRYPTED_SECRET with its size. */
  readonly encryptedSecret: Buffer
}

/** The default EK templates, by key (TCG EK Credential Profile for TPM 2.0, version 2.5, sections B.3, B.4). */
const TEMPLATES: Readonly<Record<string, Omit<EndorsementKey, 'publicKey'>>> = {
  'rsa 2048': { nameAlg: 'sha256', aesBits: 128 }, // L-1, H-1
  'rsa 3072': { nameAlg: 'sha384', aesBits: 256 }, // H-6
  'rsa 4096': { nameAlg: 'sha384', aesBits: 256 }, // H-7
  'ec prime256v1': { nameAlg: 'sha256', aesBits: 128 }, // L-2, H-2
  'ec secp384r1': { nameAlg: 'sha384', aesBits: 256 }, // H-3
  'ec secp521r1': { nameAlg: 'sha512', aesBits: 256 }, // H-4
}

/**
 * The endorsement key behind a public key that an EK certificate carries, made from the default template for its kind.
 *
 * @throws IdentityError `EK_UNSUPPORTED` when no default template has such a key
 */
export function endorsementKey(publicKey: KeyObject): EndorsementKey {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey
  const kind = `${type} ${details?.namedCurve ?? details?.modulusLength}`
  const template = Object.hasOwn(TEMPLATES, kind) ? TEMPLATES[kind] : undefined
  if (!template) throw new IdentityError('EK_UNSUPPORTED', `no default EK template has a key of kind ${kind}`)
  return { publicKey, ...template }
}

/**
 * TPM2_MakeCredential without a TPM (TPM 2.0 Part 1, section 24; Annex B.10.4 for RSA, C.6.4 for ECC): only the TPM
 * that holds the EK *and* has an object of this Name loaded can give the secret back.
 *
 * @param akName Name of the attestation key
 * @param secret 1 to as many bytes as the EK's Name algorithm has
 * @throws IdentityError `SECRET_INVALID`, `AK_UNFIT` when the Name is none
 */
export function makeCredential(ek: EndorsementKey, akName: Uint8Array, secret: Uint8Array): Credential {
  const digestBits = hashSize(ek.nameAlg) * 8
  if (secret.length === 0 || secret.length > digestBits / 8) {
    throw new IdentityError(
      'SECRET_INVALID',
      `a secret of ${secret.length} bytes, 1 to ${digestBits / 8} are possible`,
    )
  }
  if (!isName(akName)) throw new IdentityError('AK_UNFIT', 'the AK has no Name')
  const { secret: seed, encryptedSecret } = shareSecret(ek, 'IDENTITY')

  // The IV is zero, which is safe because the key is used once (Part 1, section 24.4).
  const none = Buffer.alloc(0)
  const aesKey = kdfA(ek.nameAlg, seed, 'STORAGE', akName, none, ek.aesBits)
  const cipher = createCipheriv(`aes-${ek.aesBits}-cfb`, aesKey, Buffer.alloc(16))
  const encIdentity = Buffer.concat([cipher.update(sized(secret)), cipher.final()])
  const hmacKey = kdfA(ek.nameAlg, seed, 'INTEGRITY', none, none, digestBits)
  const hmac = createHmac(ek.nameAlg, hmacKey).update(encIdentity).update(akName).digest()
  return {
    credentialBlob: sized(Buffer.concat([sized(hmac), encIdentity])),
    encryptedSecret: sized(encryptedSecret),
  }
}

/** A TPM2B: 16-bit size, then the bytes (TPM 2.0 Part 2, section 10.4). */
function sized(bytes: Uint8Array): Buffer {
  const size = Buffer.alloc(2)
  size.writeUInt16BE(bytes.length)
  return Buffer.concat([size, bytes])
}
