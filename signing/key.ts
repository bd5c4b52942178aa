import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { sha256Hex } from '../encoding/digest.ts'
import { encryptPkcs8 } from './encrypted-key.ts'
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

/** What signs: a private key at hand, or whatever stands before one that is not to be had (an HSM, a KMS, a TPM). */
export interface Signer {
  readonly public: PublicKey
  /** Ed25519: 64 bytes. P-256: ECDSA with SHA-256, DER (RFC 3279 section 2.2.3). Throws when it cannot sign. */
  readonly sign: (data: Uint8Array) => Buffer
}

/** A private key and its public half. */
export interface PrivateKey extends Signer {
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

/** 2^255-19, big-endian (RFC 8032 section 5.1). */
const ED25519_P = Buffer.from(`7f${'ff'.repeat(30)}ed`, 'hex')

/** A P-256 SubjectPublicKeyInfo with its point uncompressed (RFC 5480 section 2): a header of 26 bytes and 65 of point. */
const P256_SPKI_BYTES = 91

/** OpenSSL reads the point at infinity as a key and then cannot write it. */
function exportSpki(object: KeyObject): Buffer {
  try {
    return object.export({ type: 'spki', format: 'der' })
  } catch (cause) {
    throw new SigningError('KEY_MALFORMED', 'the key has no SubjectPublicKeyInfo', { cause })
  }
}

function fromObject(object: KeyObject): PublicKey {
  const spki = exportSpki(object)
  const base = { id: sha256Hex(spki), spki, object }
  if (object.asymmetricKeyType === 'ed25519') {
    // The last 32 bytes of an Ed25519 SPKI are the point (RFC 8410 section 4).
    const point = Buffer.from(spki.subarray(-32))
    point.writeUInt8(point.readUInt8(31) & 0x7f, 31)
    if (SMALL_ORDER_Y.has(point.toString('hex')))
      throw new SigningError('KEY_WEAK', 'the Ed25519 key has small order')
    // RFC 8032 section 5.1.3 (1): y is below p = 2^255-19. Larger ones are second spellings.
    if (Buffer.compare(Buffer.from(point).reverse(), ED25519_P) >= 0)
      throw new SigningError('KEY_MALFORMED', 'the Ed25519 key is not in its canonical form')
    return { ...base, algorithm: 'ed25519' }
  }
  if (object.asymmetricKeyType === 'ec' && object.asymmetricKeyDetails?.namedCurve === 'prime256v1') {
    // SEC 1 section 2.3.3 has three spellings of a point. One key under two ids would meet a threshold of two.
    if (spki.length !== P256_SPKI_BYTES || spki.at(-65) !== 0x04) {
      throw new SigningError('KEY_UNSUPPORTED', 'a P-256 key has its point uncompressed')
    }
    return { ...base, algorithm: 'ecdsa-p256' }
  }
  throw new SigningError('KEY_UNSUPPORTED', 'only Ed25519 and ECDSA P-256 keys are used')
}

/** One PEM block of the one label that is read, and nothing but white space around it (RFC 7468 section 13). */
const PUBLIC_PEM = /^\s*-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]{1,4096})-----END PUBLIC KEY-----\s*$/

/**
 * Reads a public key. A certificate, a private key or a second key in the same text is refused: what is trusted has to
 * be what was looked at.
 *
 * @param key PEM text or DER bytes of a SubjectPublicKeyInfo, in the one spelling that names the key
 * @throws SigningError
 */
export function readPublicKey(key: string | Uint8Array): PublicKey {
  const der =
    typeof key === 'string' ? Buffer.from(PUBLIC_PEM.exec(key)?.[1] ?? '', 'base64') : Buffer.from(key)
  let object: KeyObject
  try {
    object = createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch (cause) {
    throw new SigningError('KEY_MALFORMED', 'not a public key in SubjectPublicKeyInfo form', { cause })
  }
  const read = fromObject(object)
  if (!read.spki.equals(der))
    throw new SigningError('KEY_MALFORMED', 'the public key has bytes that do not belong to it')
  return read
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
  return withSign(object)
}

function withSign(object: KeyObject): PrivateKey {
  const key = fromObject(createPublicKey(object))
  return {
    object,
    public: key,
    sign: data => sign(key.algorithm === 'ed25519' ? null : 'sha256', data, object),
  }
}

/** Makes a key from the system's random source. */
export function generateKey(algorithm: KeyAlgorithm): PrivateKey {
  const { privateKey } =
    algorithm === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return withSign(privateKey)
}

/** The PEM text (SubjectPublicKeyInfo) of a public key. */
export function publicKeyToPem(key: PublicKey): string {
  return key.object.export({ type: 'spki', format: 'pem' }).toString()
}

/** The PEM text (PKCS#8) of a private key, encrypted under scrypt when a passphrase is given. */
export function privateKeyToPem(key: PrivateKey, passphrase?: string): string {
  if (passphrase === undefined) return key.object.export({ type: 'pkcs8', format: 'pem' }).toString()
  const der = key.object.export({ type: 'pkcs8', format: 'der' })
  try {
    return encryptPkcs8(der, passphrase)
  } finally {
    der.fill(0)
  }
}

/** A signature over `data`, in the form that {@link Signer} says. */
export function signBytes(key: Signer, data: Uint8Array): Buffer {
  return key.sign(data)
}

/** Whether `signature` over `data` is by `key`. Anything malformed is false. */
export function verifyBytes(key: PublicKey, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(key.algorithm === 'ed25519' ? null : 'sha256', data, key.object, signature)
  } catch {
    return false
  }
}
