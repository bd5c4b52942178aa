import { createPublicKey, hash, type KeyObject } from 'node:crypto'
import { ByteReader } from '../../../encoding/byte-reader.ts'
import { ALG, type Curve, curveFromId, type HashAlgorithm, hashFromId, hashName } from './algorithms.ts'
import { StructureError } from './error.ts'

/** TPMA_OBJECT bits (TPM 2.0 Part 2, section 8.3). */
export const OBJECT_ATTRIBUTE = {
  fixedTPM: 1 << 1,
  stClear: 1 << 2,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDA: 1 << 10,
  encryptedDuplication: 1 << 11,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const
export type ObjectAttribute = keyof typeof OBJECT_ATTRIBUTE

/** RSA keys that a TPM may have (Part 2, section 11.2.4.6, and the reference code's MAX_RSA_KEY_BITS), with room for the next. */
const MIN_RSA_BITS = 1024
const MAX_RSA_BITS = 16384

/** TPMT_SYM_DEF_OBJECT, null for TPM_ALG_NULL. */
export interface SymmetricDefinition {
  /** TPM_ALG_ID, for a storage key TPM_ALG_AES. */
  readonly algorithm: number
  readonly keyBits: number
  /** TPM_ALG_ID of the mode, for a storage key TPM_ALG_CFB. */
  readonly mode: number
}

/** TPMT_RSA_SCHEME or TPMT_ECC_SCHEME, null for TPM_ALG_NULL. */
export interface AsymmetricScheme {
  /** TPM_ALG_ID of the scheme. */
  readonly algorithm: number
  /** Undefined for RSAES, which has no hash. */
  readonly hash: HashAlgorithm | undefined
}

interface PublicAreaBase {
  readonly nameAlg: HashAlgorithm
  /** TPMA_OBJECT as it stands; {@link hasAttributes} reads it. */
  readonly attributes: number
  readonly authPolicy: Buffer
  readonly symmetric: SymmetricDefinition | null
  readonly scheme: AsymmetricScheme | null
}
export interface RsaPublicArea extends PublicAreaBase {
  readonly type: 'rsa'
  readonly keyBits: number
  /** 65537 where the structure says 0. */
  readonly exponent: number
  readonly modulus: Buffer
}
export interface EccPublicArea extends PublicAreaBase {
  readonly type: 'ecc'
  readonly curve: Curve
  readonly x: Buffer
  readonly y: Buffer
}
/** A TPMT_PUBLIC of an asymmetric key (TPM 2.0 Part 2, section 12.2.4). */
export type PublicArea = RsaPublicArea | EccPublicArea

/** Whether all of `wanted` are set and none of `unwanted` is. */
export function hasAttributes(
  area: PublicArea,
  wanted: readonly ObjectAttribute[],
  unwanted: readonly ObjectAttribute[] = [],
): boolean {
  const set = (name: ObjectAttribute): boolean => (area.attributes & OBJECT_ATTRIBUTE[name]) !== 0
  return wanted.every(set) && !unwanted.some(set)
}

function readSymmetric(reader: ByteReader): SymmetricDefinition | null {
  const algorithm = reader.u16be('symmetric.algorithm')
  if (algorithm === ALG.NULL) return null
  return { algorithm, keyBits: reader.u16be('symmetric.keyBits'), mode: reader.u16be('symmetric.mode') }
}

function readScheme(reader: ByteReader): AsymmetricScheme | null {
  const algorithm = reader.u16be('scheme.scheme')
  if (algorithm === ALG.NULL) return null
  if (algorithm === ALG.RSAES) return { algorithm, hash: undefined }
  const scheme = { algorithm, hash: hashFromId(reader.u16be('scheme.hashAlg'), 'scheme.hashAlg') }
  if (algorithm === ALG.ECDAA) reader.u16be('scheme.count')
  return scheme
}

function readRsa(reader: ByteReader, base: Omit<PublicAreaBase, 'symmetric' | 'scheme'>): RsaPublicArea {
  const symmetric = readSymmetric(reader)
  const scheme = readScheme(reader)
  const keyBits = reader.u16be('keyBits')
  const exponent = reader.u32be('exponent') || 65537
  const modulus = reader.sized16be('unique.rsa')
  if (modulus.length * 8 !== keyBits) {
    throw new StructureError(
      'MALFORMED',
      `TPMT_PUBLIC: a modulus of ${modulus.length} bytes in a ${keyBits} bit key`,
      { at: 'unique.rsa' },
    )
  }
  if (keyBits < MIN_RSA_BITS || keyBits > MAX_RSA_BITS) {
    throw new StructureError('UNSUPPORTED', `TPMT_PUBLIC: an RSA key of ${keyBits} bits`, { at: 'keyBits' })
  }
  // A product of two odd primes that fills its length, and an exponent that has an inverse.
  const [first = 0, last = 0] = [modulus.at(0), modulus.at(-1)]
  if (first < 0x80 || last % 2 === 0 || exponent < 3 || exponent % 2 === 0) {
    throw new StructureError('MALFORMED', 'TPMT_PUBLIC: modulus and exponent are not those of an RSA key', {
      at: 'unique.rsa',
    })
  }
  return { ...base, type: 'rsa', symmetric, scheme, keyBits, exponent, modulus }
}

function readEcc(reader: ByteReader, base: Omit<PublicAreaBase, 'symmetric' | 'scheme'>): EccPublicArea {
  const symmetric = readSymmetric(reader)
  const scheme = readScheme(reader)
  const curve = curveFromId(reader.u16be('curveID'), 'curveID')
  if (reader.u16be('kdf.scheme') !== ALG.NULL) reader.u16be('kdf.hashAlg')
  const x = reader.sized16be('unique.x')
  const y = reader.sized16be('unique.y')
  if (x.length > curve.size || y.length > curve.size) {
    throw new StructureError('MALFORMED', `TPMT_PUBLIC: a coordinate longer than ${curve.jwk} has`)
  }
  return { ...base, type: 'ecc', symmetric, scheme, curve, x, y }
}

/** Reads a TPMT_PUBLIC and leaves the reader after it. @throws StructureError | EncodingError */
export function readPublicArea(reader: ByteReader): PublicArea {
  const type = reader.u16be('type')
  const nameAlg = hashFromId(reader.u16be('nameAlg'), 'nameAlg')
  const attributes = reader.u32be('objectAttributes')
  const base = { nameAlg, attributes, authPolicy: reader.sized16be('authPolicy') }
  if (type === ALG.RSA) return readRsa(reader, base)
  if (type === ALG.ECC) return readEcc(reader, base)
  throw new StructureError(
    'UNSUPPORTED',
    `TPMT_PUBLIC: type 0x${type.toString(16)} is not an asymmetric key`,
    {
      at: 'type',
    },
  )
}

/** Unmarshals a whole TPMT_PUBLIC; bytes after it are an error. @throws StructureError | EncodingError */
export function parsePublicArea(bytes: Uint8Array): PublicArea {
  const reader = new ByteReader(bytes, 'TPMT_PUBLIC')
  const area = readPublicArea(reader)
  reader.end()
  return area
}

/** The TPMT_PUBLIC inside a whole TPM2B_PUBLIC, as bytes. @throws EncodingError */
export function publicAreaFromSized(bytes: Uint8Array): Buffer {
  const reader = new ByteReader(bytes, 'TPM2B_PUBLIC')
  const area = reader.sized16be('publicArea')
  reader.end()
  return area
}

/**
 * The Name of an object: nameAlg ‖ H_nameAlg(TPMT_PUBLIC) (TPM 2.0 Part 1, section 16).
 *
 * @param bytes the marshalled TPMT_PUBLIC
 * @throws StructureError when its nameAlg is not supported
 */
export function publicAreaName(bytes: Uint8Array): Buffer {
  const reader = new ByteReader(bytes, 'TPMT_PUBLIC')
  reader.u16be('type')
  const id = reader.bytes(2, 'nameAlg')
  const algorithm = hashFromId(id.readUInt16BE(), 'nameAlg')
  return Buffer.concat([id, hash(algorithm, bytes, 'buffer')])
}

/** Whether these bytes have the form of a Name made with a supported hash. */
export function isName(bytes: Uint8Array): boolean {
  const algorithm = bytes.length >= 2 ? hashName(Buffer.from(bytes).readUInt16BE()) : undefined
  return algorithm !== undefined && bytes.length === 2 + hash(algorithm, '', 'buffer').length
}

function padded(coordinate: Buffer, size: number): Buffer {
  return Buffer.concat([Buffer.alloc(size - coordinate.length), coordinate])
}

/**
 * The public key as a `KeyObject`; `export({type: 'spki', format: 'der'})` gives its SubjectPublicKeyInfo. OpenSSL
 * refuses a point that is not on the curve.
 *
 * @throws StructureError `MALFORMED`
 */
export function publicAreaKey(area: PublicArea): KeyObject {
  try {
    if (area.type === 'ecc') {
      const { jwk, size } = area.curve
      return createPublicKey({
        format: 'jwk',
        key: {
          kty: 'EC',
          crv: jwk,
          x: padded(area.x, size).toString('base64url'),
          y: padded(area.y, size).toString('base64url'),
        },
      })
    }
    const exponent = Buffer.alloc(4)
    exponent.writeUInt32BE(area.exponent)
    return createPublicKey({
      format: 'jwk',
      key: {
        kty: 'RSA',
        n: area.modulus.toString('base64url'),
        e: exponent.toString('base64url'),
      },
    })
  } catch (cause) {
    throw new StructureError('MALFORMED', 'TPMT_PUBLIC: the key is not a valid public key', { cause })
  }
}
