import { StructureError } from './error.ts'

/** TPM_ALG_ID (TCG Algorithm Registry 1.34, table 3). */
export const ALG = {
  RSA: 0x0001,
  SHA1: 0x0004,
  HMAC: 0x0005,
  AES: 0x0006,
  KEYEDHASH: 0x0008,
  XOR: 0x000a,
  SHA256: 0x000b,
  SHA384: 0x000c,
  SHA512: 0x000d,
  NULL: 0x0010,
  SM3_256: 0x0012,
  RSASSA: 0x0014,
  RSAES: 0x0015,
  RSAPSS: 0x0016,
  OAEP: 0x0017,
  ECDSA: 0x0018,
  ECDH: 0x0019,
  ECDAA: 0x001a,
  SM2: 0x001b,
  ECSCHNORR: 0x001c,
  ECMQV: 0x001d,
  ECC: 0x0023,
  SYMCIPHER: 0x0025,
  SHA3_256: 0x0027,
  SHA3_384: 0x0028,
  SHA3_512: 0x0029,
  CFB: 0x0043,
} as const

/** The hashes that banks, Names and signatures may use, under the names of `node:crypto`. */
export type HashAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512'

interface HashDescription {
  readonly name: HashAlgorithm
  readonly id: number
  /** Bytes of a digest. */
  readonly size: number
}

const HASHES: readonly HashDescription[] = [
  { name: 'sha1', id: ALG.SHA1, size: 20 },
  { name: 'sha256', id: ALG.SHA256, size: 32 },
  { name: 'sha384', id: ALG.SHA384, size: 48 },
  { name: 'sha512', id: ALG.SHA512, size: 64 },
]
const BY_ID = new Map(HASHES.map(hash => [hash.id, hash]))
const BY_NAME = new Map<string, HashDescription>(HASHES.map(hash => [hash.name, hash]))

/** Whether a word names a hash that Writ takes. */
export function isHashAlgorithm(name: string): name is HashAlgorithm {
  return BY_NAME.has(name)
}

/** The hash with this TPM_ALG_ID, or undefined when Writ knows none. */
export function hashName(id: number): HashAlgorithm | undefined {
  return BY_ID.get(id)?.name
}

/** The hash with this TPM_ALG_ID. @throws StructureError `UNSUPPORTED` */
export function hashFromId(id: number, field: string): HashAlgorithm {
  const name = hashName(id)
  if (name === undefined) {
    throw new StructureError(
      'UNSUPPORTED',
      `${field}: hash algorithm 0x${id.toString(16)} is not supported`,
      {
        at: field,
      },
    )
  }
  return name
}

/** The TPM_ALG_ID of a hash. */
export function hashId(name: HashAlgorithm): number {
  return description(name).id
}

/** The bytes of a digest. */
export function hashSize(name: HashAlgorithm): number {
  return description(name).size
}

/** The bytes of a coordinate of a key's curve, by OpenSSL's name of the curve; undefined for one that Writ does not take. */
export function coordinateSize(openssl: string | undefined): number | undefined {
  return CURVES.find(curve => curve.openssl === openssl)?.size
}

function description(name: HashAlgorithm): HashDescription {
  const hash = BY_NAME.get(name)
  if (hash === undefined) throw new TypeError(`no such hash: ${name}`)
  return hash
}

/** The elliptic curves that Writ takes: TPM_ECC_CURVE (TCG Algorithm Registry 1.34, table 4). */
export interface Curve {
  readonly id: number
  /** The name in a JWK (RFC 7518 section 6.2.1.1). */
  readonly jwk: 'P-256' | 'P-384' | 'P-521'
  /** The name in OpenSSL. */
  readonly openssl: 'prime256v1' | 'secp384r1' | 'secp521r1'
  /** Bytes of a coordinate. */
  readonly size: number
}

const CURVES: readonly Curve[] = [
  { id: 0x0003, jwk: 'P-256', openssl: 'prime256v1', size: 32 },
  { id: 0x0004, jwk: 'P-384', openssl: 'secp384r1', size: 48 },
  { id: 0x0005, jwk: 'P-521', openssl: 'secp521r1', size: 66 },
]

/** The curve with this TPM_ECC_CURVE. @throws StructureError `UNSUPPORTED` */
export function curveFromId(id: number, field: string): Curve {
  const curve = CURVES.find(candidate => candidate.id === id)
  if (curve === undefined) {
    throw new StructureError('UNSUPPORTED', `${field}: curve 0x${id.toString(16)} is not supported`, {
      at: field,
    })
  }
  return curve
}
