import type { KeyObject } from 'node:crypto'
import { derSequence, derUnsigned } from '../../encoding/der.ts'
import {
  coordinateSize,
  type HashAlgorithm,
  isHashAlgorithm,
  parseSignature,
  SIGNATURE_SCHEME_ID,
  StructureError,
  type TpmSignature,
} from '../tpm2/structures/index.ts'
import type { QuoteKey } from './key.ts'

/**
 * How a signature is written: `tpmt` as the TPM gives it (TPMT_SIGNATURE); `raw` as the bare bytes of the key's scheme (RSA: the
 * signature; ECDSA: DER, or r ‖ s); `auto`: whichever of both it is; or raw under a scheme and hash that are named, for example
 * `rsassa-sha256-raw`.
 */
export type SignatureFormat = 'auto' | 'tpmt' | 'raw' | `${TpmSignature['scheme']}-${HashAlgorithm}-raw`

interface Scheme {
  readonly scheme: TpmSignature['scheme']
  readonly hash: HashAlgorithm
}

const NAMED = /^(ecdsa|rsassa|rsapss)-(\w+)-raw$/

/** The form that a word names; undefined when it names none. */
export function readSignatureFormat(text: string): SignatureFormat | undefined {
  if (text === 'auto' || text === 'tpmt' || text === 'raw') return text
  const hash = NAMED.exec(text)?.[2] ?? ''
  return isHashAlgorithm(hash) ? (text as SignatureFormat) : undefined
}

/**
 * Reads a signature in one of its forms.
 *
 * @param key says the scheme of a bare signature; a bare public key has none of its own: then SHA-256, and PKCS #1 v1.5 for RSA
 * @throws StructureError | EncodingError
 */
export function readQuoteSignature(bytes: Uint8Array, format: SignatureFormat, key: QuoteKey): TpmSignature {
  if (format === 'tpmt') return parseSignature(bytes)
  if (format === 'raw') return bareSignature(bytes, schemeOf(key), key.object)
  if (format === 'auto') {
    return isBare(bytes, key.object) ? bareSignature(bytes, schemeOf(key), key.object) : parseSignature(bytes)
  }
  const [, scheme, hash] = NAMED.exec(format) ?? []
  return bareSignature(bytes, { scheme, hash } as Scheme, key.object)
}

/** A TPMT_SIGNATURE has a head, so it is never as long as the bare signature of the same key; nor does it begin as DER does. */
function isBare(bytes: Uint8Array, key: KeyObject): boolean {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (modulusLength !== undefined) return bytes.length === Math.ceil(modulusLength / 8)
  return bytes[0] === 0x30 || bytes.length === 2 * (coordinateSize(namedCurve) ?? 0)
}

function schemeOf({ area, object }: QuoteKey): Scheme {
  const algorithm = area?.scheme?.algorithm
  const own = (['ecdsa', 'rsassa', 'rsapss'] as const).find(name => SIGNATURE_SCHEME_ID[name] === algorithm)
  if (own !== undefined && area?.scheme?.hash !== undefined) return { scheme: own, hash: area.scheme.hash }
  const type = object.asymmetricKeyType
  return { scheme: type === 'ec' ? 'ecdsa' : type === 'rsa-pss' ? 'rsapss' : 'rsassa', hash: 'sha256' }
}

function bareSignature(bytes: Uint8Array, { scheme, hash }: Scheme, key: KeyObject): TpmSignature {
  const signature = Buffer.from(bytes)
  if (scheme !== 'ecdsa') return { scheme, hash, signature }
  if (
    signature[0] === 0x30 &&
    signature.length !== 2 * (coordinateSize(key.asymmetricKeyDetails?.namedCurve) ?? 0)
  ) {
    // RFC 3279 section 2.2.3.
    const [r, s, ...more] = derSequence(signature)
    if (more.length > 0) throw new StructureError('MALFORMED', 'an ECDSA signature of more than two numbers')
    return { scheme, hash, r: derUnsigned(r), s: derUnsigned(s) }
  }
  const size = signature.length / 2
  return { scheme, hash, r: signature.subarray(0, size), s: signature.subarray(size) }
}
