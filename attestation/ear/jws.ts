import { EncodingError } from '../../encoding/error.ts'
import { type JsonObject, parseJson } from '../../encoding/json.ts'
import { base64UrlToBytes } from '../../encoding/text.ts'
import { type EarAlgorithm, type EarKey, isEarAlgorithm, verifyWith } from './algorithm.ts'
import { EarError } from './error.ts'

/** Most characters of a token: an EAR may carry the evidence that it is about. */
export const MAX_TOKEN_LENGTH = 8 << 20

/** Most levels of the claims: evidence and what policies said of it have a handful. */
const MAX_TOKEN_DEPTH = 128

/** A JWS in compact form (RFC 7515 section 7.1), taken apart. Nothing is verified. */
export interface CompactJws {
  readonly header: JsonObject
  readonly payload: Buffer
  readonly signature: Buffer
  /** ASCII(header ‖ '.' ‖ payload) as they came (section 5.2, step 8). */
  readonly signingInput: Buffer
}

function malformed(what: string, at: string, cause?: unknown): EarError {
  return new EarError('EAR_MALFORMED', `token: ${what}`, { at, cause })
}

function decode(part: string, at: string): Buffer {
  try {
    return base64UrlToBytes(part, at)
  } catch (cause) {
    throw malformed(`the ${at} is not base64url without padding`, at, cause)
  }
}

/**
 * Reads a part that is a JSON object with each member once (RFC 7515 section 4, RFC 7519 section 4). Claims that are not looked at may have
 * integers of 64 bits, as evidence in annotations has.
 */
export function readObject(bytes: Uint8Array, at: string): JsonObject {
  try {
    const value = parseJson(bytes, {
      maxBytes: MAX_TOKEN_LENGTH,
      maxDepth: MAX_TOKEN_DEPTH,
      largeIntegers: true,
    })
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) return value
  } catch (cause) {
    if (!(cause instanceof EncodingError)) throw cause
    throw malformed(`the ${at} is not strict JSON: ${cause.message}`, at, cause)
  }
  throw malformed(`the ${at} is not a JSON object`, at)
}

/**
 * Takes a token apart: three parts of base64url in its one spelling, no white space, no padding; a header that is a JSON object. An
 * extension that the header calls critical is refused, since none is understood (section 4.1.11).
 *
 * @param token controlled by whoever sent it
 * @throws EarError `EAR_MALFORMED`
 */
export function parseJws(token: string): CompactJws {
  if (token.length > MAX_TOKEN_LENGTH) throw malformed(`${token.length} characters`, 'token')
  const [header, payload, signature, ...more] = token.split('.')
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0)
    throw malformed('not three parts', 'token')
  const decodedHeader = readObject(decode(header, 'header'), 'header')
  // `b64` (RFC 7797) changes what is signed, and is only heeded where `crit` names it.
  if (Object.hasOwn(decodedHeader, 'crit') || Object.hasOwn(decodedHeader, 'b64'))
    throw malformed('the header has extensions that must be understood', 'header')
  return {
    header: decodedHeader,
    payload: decode(payload, 'payload'),
    signature: decode(signature, 'signature'),
    signingInput: Buffer.from(`${header}.${payload}`, 'ascii'),
  }
}

/**
 * Verifies the signature. The caller says which algorithms there may be (RFC 8725 section 3.1); keys that the header brings along are not
 * looked at.
 *
 * @throws EarError `EAR_ALGORITHM_REFUSED`, `EAR_SIGNATURE_INVALID`
 */
export function verifyJws(jws: CompactJws, key: EarKey, allowed: readonly EarAlgorithm[]): EarAlgorithm {
  const { alg } = jws.header
  if (!isEarAlgorithm(alg) || !allowed.includes(alg)) {
    throw new EarError('EAR_ALGORITHM_REFUSED', 'the token is signed in a way that is not allowed', {
      at: 'alg',
    })
  }
  if (!verifyWith(alg, key, jws.signingInput, jws.signature))
    throw new EarError('EAR_SIGNATURE_INVALID', 'the signature is not by the key', { at: 'signature' })
  return alg
}
