import { constants, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto'
import { sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes } from '../encoding/json.ts'
import { SigningError } from './error.ts'
import { readPublicKey, verifyBytes } from './key.ts'

/**
 * A public key of somebody else's choice: what other producers of signed statements use and this project does not issue. Only for reading
 * what they signed; an authorization artifact takes the keys of `key.ts` alone.
 */
export interface OtherKey {
  /** Lower-case hexadecimal SHA-256 thumbprint (RFC 7638): one key has one, however its point is spelt in the SubjectPublicKeyInfo. */
  readonly id: string
  /** Whether `signature` over `data` is by this key. Anything malformed is false. */
  verify(data: Uint8Array, signature: Uint8Array): boolean
}

/** NIST SP 800-57 part 1, table 2: less has under 112 bits of strength. */
const LEAST_RSA_BITS = 2048
/** Larger ones only make a verifier slow. */
const MOST_RSA_BITS = 8192

/** The hash that goes with a curve's size (FIPS 186-5 section 6.1.1) and the bytes of r or s. */
const CURVES: Readonly<Record<string, { readonly hash: string; readonly bytes: number }>> = {
  prime256v1: { hash: 'sha256', bytes: 32 },
  secp384r1: { hash: 'sha384', bytes: 48 },
  secp521r1: { hash: 'sha512', bytes: 66 },
}

const PEM =
  /^\s*-----BEGIN (PUBLIC KEY|CERTIFICATE)-----([A-Za-z0-9+/=\s]{1,16384})-----END (PUBLIC KEY|CERTIFICATE)-----\s*$/

/**
 * Reads a public key: Ed25519, ECDSA on P-256, P-384 or P-521 with the hash of that size, or RSA of 2048 to 8192 bits with SHA-256.
 *
 * An ECDSA signature may be DER (RFC 3279 section 2.2.3) or r ‖ s (as in the test vector of the DSSE protocol); an RSA one PKCS #1 v1.5 or PSS
 * (RFC 8017 sections 8.2 and 8.1). The key says which algorithm is meant, never the signature's sender.
 *
 * @param key PEM text or DER bytes of one SubjectPublicKeyInfo; or PEM text of one X.509 certificate, of which the key is taken and nothing
 *   else looked at: the verifier brings it, and trusts it as it stands
 * @throws SigningError `KEY_MALFORMED`, `KEY_WEAK`, `KEY_UNSUPPORTED`
 */
export function readOtherKey(key: string | Uint8Array): OtherKey {
  let der: Buffer
  let object: KeyObject
  let id: string
  try {
    der = typeof key === 'string' ? spkiOf(key) : Buffer.from(key)
    object = createPublicKey({ key: der, format: 'der', type: 'spki' })
    id = sha256Hex(canonicalJsonBytes({ ...object.export({ format: 'jwk' }) }))
  } catch (cause) {
    throw new SigningError('KEY_MALFORMED', 'not a public key in SubjectPublicKeyInfo form', { cause })
  }
  const check = checker(object, der)
  return {
    id,
    verify(data, signature) {
      try {
        return check(data, signature)
      } catch {
        return false
      }
    },
  }
}

function spkiOf(text: string): Buffer {
  const [, label, encoded = '', end] = PEM.exec(text) ?? []
  const der = Buffer.from(encoded, 'base64')
  if (label !== end) throw new Error('a PEM that ends as another kind')
  return label === 'CERTIFICATE'
    ? new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' })
    : der
}

function checker(object: KeyObject, der: Buffer): OtherKey['verify'] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = object
  if (type === 'ed25519') {
    const key = readPublicKey(der)
    return (data, signature) => verifyBytes(key, data, signature)
  }
  const curve = type === 'ec' ? CURVES[details.namedCurve ?? ''] : undefined
  if (curve !== undefined) {
    return (data, signature) =>
      verify(curve.hash, data, { key: object, dsaEncoding: 'der' }, signature) ||
      (signature.length === 2 * curve.bytes &&
        verify(curve.hash, data, { key: object, dsaEncoding: 'ieee-p1363' }, signature))
  }
  if (type !== 'rsa') throw new SigningError('KEY_UNSUPPORTED', `a key of type ${type} is not read`)
  const bits = details.modulusLength ?? 0
  if (bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS)
    throw new SigningError('KEY_WEAK', `an RSA key of ${bits} bits`)
  const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_AUTO } = constants
  return (data, signature) =>
    verify('sha256', data, { key: object, padding: RSA_PKCS1_PADDING }, signature) ||
    verify(
      'sha256',
      data,
      { key: object, padding: RSA_PKCS1_PSS_PADDING, saltLength: RSA_PSS_SALTLEN_AUTO },
      signature,
    )
}
