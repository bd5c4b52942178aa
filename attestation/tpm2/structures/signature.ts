import { constants, type KeyObject, verify } from 'node:crypto'
import { ByteReader } from '../../../encoding/byte-reader.ts'
import { ALG, coordinateSize, type HashAlgorithm, hashFromId, hashSize } from './algorithms.ts'
import { StructureError } from './error.ts'

/** A TPMT_SIGNATURE of one of the schemes that an AK may use. */
export type TpmSignature =
  | { readonly scheme: 'ecdsa'; readonly hash: HashAlgorithm; readonly r: Buffer; readonly s: Buffer }
  | { readonly scheme: 'rsassa' | 'rsapss'; readonly hash: HashAlgorithm; readonly signature: Buffer }

/** TPM_ALG_ID of each scheme (TPM 2.0 Part 2, section 11.2.1). */
export const SIGNATURE_SCHEME_ID: Readonly<Record<TpmSignature['scheme'], number>> = {
  ecdsa: ALG.ECDSA,
  rsassa: ALG.RSASSA,
  rsapss: ALG.RSAPSS,
}

/** Reads a TPMT_SIGNATURE (TPM 2.0 Part 2, section 11.3.4) and leaves the reader after it. */
export function readSignature(reader: ByteReader): TpmSignature {
  const scheme = reader.u16be('sigAlg')
  if (scheme === ALG.ECDSA) {
    const hash = hashFromId(reader.u16be('signature.hash'), 'signature.hash')
    return { scheme: 'ecdsa', hash, r: reader.sized16be('signatureR'), s: reader.sized16be('signatureS') }
  }
  if (scheme === ALG.RSASSA || scheme === ALG.RSAPSS) {
    const hash = hashFromId(reader.u16be('signature.hash'), 'signature.hash')
    return {
      scheme: scheme === ALG.RSASSA ? 'rsassa' : 'rsapss',
      hash,
      signature: reader.sized16be('sig'),
    }
  }
  throw new StructureError(
    'UNSUPPORTED',
    `TPMT_SIGNATURE: scheme 0x${scheme.toString(16)} is not supported`,
    {
      at: 'sigAlg',
    },
  )
}

/** Unmarshals a whole TPMT_SIGNATURE; bytes after it are an error. @throws StructureError | EncodingError */
export function parseSignature(bytes: Uint8Array): TpmSignature {
  const reader = new ByteReader(bytes, 'TPMT_SIGNATURE')
  const signature = readSignature(reader)
  reader.end()
  return signature
}

/** Whether `signature` over `data` is by `key`. A key of another kind than the scheme is false, never an error. */
export function verifySignature(key: KeyObject, data: Uint8Array, signature: TpmSignature): boolean {
  try {
    switch (signature.scheme) {
      case 'ecdsa':
        return verifyEcdsa(key, data, signature)
      case 'rsassa':
        return (
          key.asymmetricKeyType === 'rsa' &&
          isFullLength(key, signature.signature) &&
          verify(signature.hash, data, { key, padding: constants.RSA_PKCS1_PADDING }, signature.signature)
        )
      case 'rsapss':
        return isFullLength(key, signature.signature) && verifyPss(key, data, signature)
    }
  } catch {
    return false
  }
}

function verifyEcdsa(
  key: KeyObject,
  data: Uint8Array,
  { hash, r, s }: TpmSignature & { scheme: 'ecdsa' },
): boolean {
  const size = coordinateSize(key.asymmetricKeyDetails?.namedCurve)
  if (key.asymmetricKeyType !== 'ec' || size === undefined || r.length > size || s.length > size) return false
  // A TPM may leave out leading zeros; IEEE P1363 has none left out.
  const raw = Buffer.alloc(2 * size)
  raw.set(r, size - r.length)
  raw.set(s, 2 * size - s.length)
  return verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, raw)
}

/** RFC 8017 sections 8.1.2 and 8.2.2, step 1: a signature is exactly as long as the modulus. */
function isFullLength(key: KeyObject, signature: Buffer): boolean {
  return signature.length * 8 === Math.ceil((key.asymmetricKeyDetails?.modulusLength ?? 0) / 8) * 8
}

/** Part 1, B.7: the salt is as long as the digest (as FIPS 186 wants it) or, on older TPMs, as long as fits. No other is made by a TPM. */
function verifyPss(
  key: KeyObject,
  data: Uint8Array,
  { hash, signature }: TpmSignature & { scheme: 'rsassa' | 'rsapss' },
): boolean {
  if (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'rsa-pss') return false
  const padding = constants.RSA_PKCS1_PSS_PADDING
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
  // RFC 8017 section 9.1.1: the encoded message has one bit less than the modulus. (OpenSSL's own "as long as fits" takes any length.)
  const longest = Math.ceil((bits - 1) / 8) - hashSize(hash) - 2
  return [hashSize(hash), longest].some(saltLength =>
    verify(hash, data, { key, padding, saltLength }, signature),
  )
}
