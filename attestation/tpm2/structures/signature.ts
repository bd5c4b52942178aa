import { constants, type KeyObject, verify } from 'node:crypto'
import { ByteReader } from '../../../encoding/byte-reader.ts'
import { ALG, type HashAlgorithm, hashFromId } from './algorithms.ts'
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

/** Bytes of a coordinate by OpenSSL's name of the curve. */
const SCALAR_SIZE: Readonly<Record<string, number>> = { prime256v1: 32, secp384r1: 48, secp521r1: 66 }

/** Whether `signature` over `data` is by `key`. A key of another kind than the scheme is false, never an error. */
export function verifySignature(key: KeyObject, data: Uint8Array, signature: TpmSignature): boolean {
  try {
    if (signature.scheme === 'ecdsa') {
      if (key.asymmetricKeyType !== 'ec') return false
      const size = SCALAR_SIZE[key.asymmetricKeyDetails?.namedCurve ?? '']
      if (size === undefined || signature.r.length > size || signature.s.length > size) return false
      // A TPM may leave out leading zeros; IEEE P1363 has none left out.
      const raw = Buffer.alloc(2 * size)
      raw.set(signature.r, size - signature.r.length)
      raw.set(signature.s, 2 * size - signature.s.length)
      return verify(signature.hash, data, { key, dsaEncoding: 'ieee-p1363' }, raw)
    }
    if (key.asymmetricKeyType !== 'rsa') return false
    const padding =
      signature.scheme === 'rsassa'
        ? { padding: constants.RSA_PKCS1_PADDING }
        : // Part 1, B.7: the salt is as long as the digest, or, on older TPMs, as fits.
          { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO }
    return verify(signature.hash, data, { key, ...padding }, signature.signature)
  } catch {
    return false
  }
}
