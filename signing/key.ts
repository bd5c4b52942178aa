import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { sha256Hex } from '../encoding/digest.ts'
import { SigningError } from './error.ts'

export type KeyAlgorithm = 'ed25519' | 'ecdsa-p256'

/** A public key that signatures are checked with. */
export interface PublicKey {
  readonly algorithm: KeyAlgorithm
  /** Lower-case hexadecimal SHA-256 of the DER SubjectPublicKeyInfo: what names the key everywhere. */
  readonly id: string
  /** DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). */
  readonly spki: Buffer
  readonly object: KeyObject
}

/** A private key and its public half. */
export interface PrivateKey {
  readonly public: PublicKey
  readonly object: KeyObject
}

/** Every encoding of the eight small-order points of edwards25519, sign bit cleared (RFC 8032; Cremers and Jackson 2019, table 1). A signature under such a key proves nothing. */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
])

function fromObject(object: KeyObject): PublicKey {
  const spki = object.export({ type: 'spki', format: 'der' })
  const base = { id: sha256Hex(spki), spki, object }
  if (object.asymmetricKeyType === 'ed25519') {
    // The last 32 bytes of an Ed25519 SPKI are the point (RFC 8410 section 4).
    const point = Buffer.from(spki.subarray(-32))
    point.writeUInt8(point.readUInt8(31) & 0x7f, 31)
    if (SMALL_ORDER_Y.has(point.toString('hex')))
      throw new SigningError('KEY_WEAK', 'the Ed25519 key has small order')
    return { ...base, algorithm: 'ed25519' }
  }
  if (object.asymmetricKeyType === 'ec' && object.asymmetricKeyDetails?.namedCurve === 'prime256v1') {
    return { ...base, algorithm: 'ecdsa-p256' }
  }
  throw new SigningError('KEY_UNSUPPORTED', 'only Ed25519 and ECDSA P-256 keys are used')
}

/**
 * Reads a public key.
 *
 * @param key PEM text or DER bytes of a SubjectPublicKeyInfo
 * @throws SigningError
 */
export function readPublicKey(key: string | Uint8Array): PublicKey {
  let object: KeyObject
  try {
    if (typeof key === 'string') {
      if (key.includes('PRIVATE KEY')) throw new Error('a private key where a public one belongs')
      object = createPublicKey({ key, format: 'pem' })
    } else {
      object = createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' })
    }
  } catch (cause) {
    throw new SigningError('KEY_MALFORMED', 'not a public key in SubjectPublicKeyInfo form', { cause })
  }
  return fromObject(object)
}

/** Reads a PKCS#8 PEM private key. @throws SigningError */
export function readPrivateKey(pem: string, passphrase?: string): PrivateKey {
  let object: KeyObject
  try {
    object = createPrivateKey(passphrase === undefined ? { key: pem } : { key: pem, passphrase })
  } catch (cause) {
    throw new SigningError(
      'KEY_MALFORMED',
      'not a private key in PKCS#8 PEM form, or the passphrase is wrong',
      {
        cause,
      },
    )
  }
  return { object, public: fromObject(createPublicKey(object)) }
}

/** Makes a key from the system's random source. */
export function generateKey(algorithm: KeyAlgorithm): PrivateKey {
  const { privateKey } =
    algorithm === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { object: privateKey, public: fromObject(createPublicKey(privateKey)) }
}

/** The PEM text (SubjectPublicKeyInfo) of a public key. */
export function publicKeyToPem(key: PublicKey): string {
  return key.object.export({ type: 'spki', format: 'pem' }).toString()
}

/** The PEM text (PKCS#8) of a private key, encrypted when a passphrase is given. */
export function privateKeyToPem(key: PrivateKey, passphrase?: string): string {
  const base = { type: 'pkcs8', format: 'pem' } as const
  return key.object
    .export(passphrase === undefined ? base : { ...base, cipher: 'aes-256-cbc', passphrase })
    .toString()
}

/** Ed25519: 64 bytes. P-256: ECDSA with SHA-256, DER (RFC 3279 section 2.2.3). */
export function signBytes(key: PrivateKey, data: Uint8Array): Buffer {
  return sign(key.public.algorithm === 'ed25519' ? null : 'sha256', data, key.object)
}

/** Whether `signature` over `data` is by `key`. Anything malformed is false. */
export function verifyBytes(key: PublicKey, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(key.algorithm === 'ed25519' ? null : 'sha256', data, key.object, signature)
  } catch {
    return false
  }
}
