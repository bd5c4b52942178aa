import { type JsonValue, parseJson } from '../encoding/json.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { SigningError } from './error.ts'
import { type PrivateKey, type PublicKey, signBytes, verifyBytes } from './key.ts'

/** A DSSE envelope v1 with its payload decoded once: what was signed is what is parsed. */
export interface Envelope {
  readonly payloadType: string
  readonly payload: Buffer
  /** `keyid` is a hint of the sender's, never a fact. */
  readonly signatures: readonly { readonly keyid: string | undefined; readonly sig: Buffer }[]
}

/** Most signatures that are looked at; more is an error, so that checking stays cheap. */
export const MAX_SIGNATURES = 16
/** Most bytes of an envelope, where its kind has no limit of its own. */
export const MAX_ENVELOPE_BYTES = 1 << 20

/** Pre-authentication encoding, the bytes that are signed (DSSE protocol v1.0.2, "Signature Definition"). */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8')
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ])
}

function malformed(what: string, at?: string, cause?: unknown): SigningError {
  return new SigningError('ENVELOPE_MALFORMED', `DSSE envelope: ${what}`, { at, cause })
}

function members(value: JsonValue, allowed: readonly string[], at: string): Record<string, JsonValue> {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw malformed(`${at} is not an object`, at)
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) throw malformed(`unknown field ${at}.${key}`, `${at}.${key}`)
  }
  return value
}

function text(value: JsonValue | undefined, at: string): string {
  if (typeof value !== 'string') throw malformed(`${at} is not a string`, at)
  return value
}

/**
 * Parses an envelope. Nothing is verified yet. Stricter than DSSE (envelope.md v1.0.2): that lets a consumer read URL-safe
 * base64 and tells it to ignore fields it does not know; here one envelope has one spelling, and what is not understood is refused,
 * since such a field could have been meant to limit something.
 *
 * @param bytes controlled by whoever sent them
 * @param maxBytes most bytes that are read
 * @throws SigningError `ENVELOPE_MALFORMED` with the field in `at`
 */
export function parseEnvelope(bytes: Uint8Array, maxBytes = MAX_ENVELOPE_BYTES): Envelope {
  let document: JsonValue
  try {
    document = parseJson(bytes, { maxBytes, maxDepth: 4 })
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'not JSON', undefined, cause)
  }
  const envelope = members(document, ['payloadType', 'payload', 'signatures'], 'envelope')
  const list = envelope.signatures
  if (!Array.isArray(list)) throw malformed('signatures is not a list', 'signatures')
  if (list.length > MAX_SIGNATURES)
    throw malformed(`${list.length} signatures, at most ${MAX_SIGNATURES}`, 'signatures')
  const decode = (value: JsonValue | undefined, at: string): Buffer => {
    try {
      return base64ToBytes(text(value, at), at)
    } catch (cause) {
      throw cause instanceof SigningError ? cause : malformed(`${at} is not base64`, at, cause)
    }
  }
  return {
    payloadType: text(envelope.payloadType, 'payloadType'),
    payload: decode(envelope.payload, 'payload'),
    signatures: list.map((item, i) => {
      const at = `signatures[${i}]`
      const signature = members(item, ['keyid', 'sig'], at)
      const keyid = signature.keyid
      return {
        keyid: keyid === undefined ? undefined : text(keyid, `${at}.keyid`),
        sig: decode(signature.sig, `${at}.sig`),
      }
    }),
  }
}

/** Signs a payload and gives the envelope's JSON bytes. A key that is given twice signs twice and counts once. */
export function signEnvelope(payloadType: string, payload: Uint8Array, keys: readonly PrivateKey[]): Buffer {
  const toSign = preAuthenticationEncoding(payloadType, payload)
  const envelope = {
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: keys.map(key => ({ keyid: key.public.id, sig: signBytes(key, toSign).toString('base64') })),
  }
  return Buffer.from(`${JSON.stringify(envelope)}\n`)
}

/** What a check of an envelope's signatures found. */
export interface SignatureCheck {
  /** The distinct trusted keys that signed these bytes. */
  readonly signers: readonly PublicKey[]
  /** Whether `signers` has as many keys as the threshold asks. */
  readonly met: boolean
}

/**
 * Checks signatures against keys that the *verifier* trusts. Distinct keys are counted, not signatures.
 *
 * @throws SigningError `THRESHOLD_INVALID` when the threshold is not from 1 to the number of distinct keys
 */
export function checkSignatures(
  envelope: Envelope,
  trusted: readonly PublicKey[],
  threshold: number,
): SignatureCheck {
  const keys = new Map(trusted.map(key => [key.id, key]))
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > keys.size) {
    throw new SigningError('THRESHOLD_INVALID', `a threshold of ${threshold} over ${keys.size} distinct keys`)
  }
  const signed = preAuthenticationEncoding(envelope.payloadType, envelope.payload)
  const signers = [...keys.values()].filter(key =>
    envelope.signatures.some(({ sig }) => verifyBytes(key, signed, sig)),
  )
  return { signers, met: signers.length >= threshold }
}
