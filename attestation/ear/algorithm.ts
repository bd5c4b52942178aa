import { constants, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import type { JsonObject } from '../../encoding/json.ts'
import { readPublicKey } from '../../signing/key.ts'
import { EarError } from './error.ts'

/**
 * The JWS algorithms with a public key (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864). `none` and the HMACs are not here: there is no
 * way to ask for them.
 */
export const EAR_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const
export type EarAlgorithm = (typeof EAR_ALGORITHMS)[number]

/** RFC 7518 sections 3.3 and 3.5. */
const LEAST_RSA_BITS = 2048
const MOST_RSA_BITS = 8192

/** The curve that goes with an ECDSA algorithm (RFC 7518 section 3.4): ES256 by a P-384 key is not ES256. */
const CURVES: Partial<Record<EarAlgorithm, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
}

export function isEarAlgorithm(name: unknown): name is EarAlgorithm {
  return EAR_ALGORITHMS.some(known => known === name)
}

/** A key that tokens are checked with. */
export interface EarKey {
  readonly object: KeyObject
  /** The one algorithm that the key says it is for (RFC 7517 section 4.4). */
  readonly algorithm: string | undefined
}

function unusable(what: string, cause?: unknown): EarError {
  return new EarError('EAR_KEY_UNUSABLE', `the key ${what}`, { at: 'key', cause })
}

/** A public key from DER or PEM (SubjectPublicKeyInfo). @throws EarError `EAR_KEY_UNUSABLE` */
export function earKeyFromSpki(key: string | Uint8Array): EarKey {
  try {
    const object =
      typeof key === 'string'
        ? createPublicKey(key)
        : createPublicKey({ key: Buffer.from(key), format: 'der', type: 'spki' })
    return { object: checked(object), algorithm: undefined }
  } catch (cause) {
    throw cause instanceof EarError ? cause : unusable('cannot be read', cause)
  }
}

/**
 * A public key from a JWK (RFC 7517). A symmetric one is refused, and so is one that says it is for something else than checking signatures.
 *
 * @throws EarError `EAR_KEY_UNUSABLE`
 */
export function earKeyFromJwk(jwk: JsonObject): EarKey {
  const { kty, use, key_ops: operations, alg } = jwk
  if (kty !== 'EC' && kty !== 'OKP' && kty !== 'RSA') throw unusable('is not of a kind with a public half')
  if (use !== undefined && use !== 'sig') throw unusable('is not for signatures')
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    throw unusable('is not for checking signatures')
  if (alg !== undefined && typeof alg !== 'string') throw unusable('has an algorithm that is not text')
  try {
    return { object: checked(createPublicKey({ key: { ...jwk }, format: 'jwk' })), algorithm: alg }
  } catch (cause) {
    throw cause instanceof EarError ? cause : unusable('cannot be read', cause)
  }
}

function checked(object: KeyObject): KeyObject {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = object
  // Points of small order and second spellings are refused there.
  if (type === 'ed25519') readPublicKey(object.export({ type: 'spki', format: 'der' }))
  const bits = details.modulusLength ?? LEAST_RSA_BITS
  if (bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS) throw unusable(`has ${bits} bits`)
  return object
}

/** How `node:crypto` is asked for an algorithm, or undefined when the key is of another kind. */
function parameters(algorithm: EarAlgorithm, object: KeyObject) {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = object
  const hash = `sha${algorithm.slice(2)}`
  switch (algorithm) {
    case 'ES256':
    case 'ES384':
    case 'ES512':
      // RFC 7518 section 3.4: r ‖ s, each of the curve's size; DER is another spelling and is refused.
      return type === 'ec' && details.namedCurve === CURVES[algorithm]
        ? { hash, options: { key: object, dsaEncoding: 'ieee-p1363' as const } }
        : undefined
    case 'EdDSA':
    case 'Ed25519':
      return type === 'ed25519' ? { hash: null, options: { key: object } } : undefined
    case 'RS256':
    case 'RS384':
    case 'RS512':
      return type === 'rsa'
        ? { hash, options: { key: object, padding: constants.RSA_PKCS1_PADDING } }
        : undefined
    default:
      // RFC 7518 section 3.5: the salt is as long as the hash.
      return type === 'rsa'
        ? {
            hash,
            options: {
              key: object,
              padding: constants.RSA_PKCS1_PSS_PADDING,
              saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
            },
          }
        : undefined
  }
}

/** Whether the signature is by the key. @throws EarError `EAR_ALGORITHM_REFUSED` when the key is not one for the algorithm */
export function verifyWith(
  algorithm: EarAlgorithm,
  key: EarKey,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const how = parameters(algorithm, key.object)
  if (how === undefined || (key.algorithm !== undefined && key.algorithm !== algorithm)) {
    throw new EarError('EAR_ALGORITHM_REFUSED', `the key is not one for ${algorithm}`, { at: 'alg' })
  }
  try {
    return verify(how.hash, data, how.options, signature)
  } catch {
    return false
  }
}

/** Signs for a JWS. @throws EarError `EAR_KEY_UNUSABLE` */
export function signWith(algorithm: EarAlgorithm, object: KeyObject, data: Uint8Array): Buffer {
  const how = parameters(algorithm, object)
  if (how === undefined) throw unusable(`is not one for ${algorithm}`)
  return sign(how.hash, data, how.options)
}
