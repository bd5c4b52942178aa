import { type JsonLimits, type JsonValue, parseJson } from '../encoding/json.ts'
import { base64ToBytes, base64UrlToBytes } from '../encoding/text.ts'
import { SigningError } from './error.ts'
import { type PublicKey, type Signer, signBytes, verifyBytes } from './key.ts'
import type { OtherKey } from './other-key.ts'

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
/** The same for an envelope of another producer, which may carry attestations of a whole build. */
const MAX_OTHER_ENVELOPE_BYTES = 16 << 20
const MAX_OTHER_SIGNATURES = 128
/**
 * Most pairs of key and signature that are tried beyond those that a `keyid` names. Who sends an envelope chooses how many signatures are in it
 * and leaves out whose they are: sixteen of them and sixty-four keys would keep a processor busy for a tenth of a second.
 */
export const MAX_TRIALS = 32

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

function object(value: JsonValue, at: string): Record<string, JsonValue> {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw malformed(`${at} is not an object`, at)
  return value
}

type Members = (value: JsonValue, allowed: readonly string[], at: string) => Record<string, JsonValue>

const knownMembers: Members = (value, allowed, at) => {
  for (const key of Object.keys(object(value, at))) {
    if (!allowed.includes(key)) throw malformed(`unknown field ${at}.${key}`, `${at}.${key}`)
  }
  return object(value, at)
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
  return readEnvelope(document(bytes, { maxBytes, maxDepth: 4 }), {
    members: knownMembers,
    decode: base64ToBytes,
    maxSignatures: MAX_SIGNATURES,
  })
}

/**
 * Parses an envelope as any producer may write it (DSSE protocol v1.0.2, "Protocol"; envelope.md): either alphabet of base64, fields that
 * are not known are ignored. Still one JSON text with each key once, and canonical base64. Nothing is verified yet.
 *
 * @param bytes controlled by whoever sent them
 * @throws SigningError `ENVELOPE_MALFORMED` with the field in `at`
 */
export function parseOtherEnvelope(bytes: Uint8Array): Envelope {
  return readEnvelope(document(bytes, { maxBytes: MAX_OTHER_ENVELOPE_BYTES, maxDepth: 32 }), {
    members: (value, _, at) => object(value, at),
    decode: eitherBase64,
    maxSignatures: MAX_OTHER_SIGNATURES,
  })
}

/** "Either standard or URL-safe base64 encodings are allowed [...] verifiers MUST accept either" (DSSE protocol, "Protocol"). */
function eitherBase64(text: string, at: string): Buffer {
  return /[-_]/.test(text) || text.length % 4 !== 0
    ? base64UrlToBytes(text.replace(/={1,2}$/, ''), at)
    : base64ToBytes(text, at)
}

function document(bytes: Uint8Array, limits: JsonLimits): JsonValue {
  try {
    return parseJson(bytes, limits)
  } catch (cause) {
    throw malformed(cause instanceof Error ? cause.message : 'not JSON', undefined, cause)
  }
}

interface EnvelopeForm {
  readonly members: Members
  readonly decode: (text: string, at: string) => Buffer
  readonly maxSignatures: number
}

function readEnvelope(value: JsonValue, { members, decode, maxSignatures }: EnvelopeForm): Envelope {
  const envelope = members(value, ['payloadType', 'payload', 'signatures'], 'envelope')
  const list = envelope.signatures
  if (!Array.isArray(list)) throw malformed('signatures is not a list', 'signatures')
  if (list.length > maxSignatures)
    throw malformed(`${list.length} signatures, at most ${maxSignatures}`, 'signatures')
  const decoded = (value: JsonValue | undefined, at: string): Buffer => {
    try {
      return decode(text(value, at), at)
    } catch (cause) {
      throw cause instanceof SigningError ? cause : malformed(`${at} is not base64`, at, cause)
    }
  }
  return {
    payloadType: text(envelope.payloadType, 'payloadType'),
    payload: decoded(envelope.payload, 'payload'),
    signatures: list.map((item, i) => {
      const at = `signatures[${i}]`
      const signature = members(item, ['keyid', 'sig'], at)
      const keyid = signature.keyid
      return {
        keyid: keyid === undefined ? undefined : text(keyid, `${at}.keyid`),
        sig: decoded(signature.sig, `${at}.sig`),
      }
    }),
  }
}

/**
 * Signs a payload and gives the envelope's JSON bytes. A key that is given twice signs twice and counts once.
 *
 * @param maxBytes most bytes that those for whom it is meant read of an envelope
 * @throws SigningError `ENVELOPE_TOO_LARGE` where nobody would read it; nothing is signed then
 */
export function signEnvelope(
  payloadType: string,
  payload: Uint8Array,
  keys: readonly Signer[],
  maxBytes = MAX_ENVELOPE_BYTES,
): Buffer {
  const atLeast = 4 * Math.ceil(payload.length / 3)
  if (atLeast > maxBytes) throw tooLarge(atLeast, maxBytes)
  const toSign = preAuthenticationEncoding(payloadType, payload)
  const envelope = {
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: keys.map(key => ({ keyid: key.public.id, sig: signBytes(key, toSign).toString('base64') })),
  }
  const bytes = Buffer.from(`${JSON.stringify(envelope)}\n`)
  if (bytes.length > maxBytes) throw tooLarge(bytes.length, maxBytes)
  return bytes
}

function tooLarge(bytes: number, maxBytes: number): SigningError {
  return new SigningError(
    'ENVELOPE_TOO_LARGE',
    `a signed document of ${bytes} bytes, at most ${maxBytes} are read of one of this kind`,
  )
}

/** The same envelope with one signature more, behind those that it has; which are not looked at. */
export function addSignature({ payloadType, payload, signatures }: Envelope, key: Signer): Buffer {
  const sig = key.sign(preAuthenticationEncoding(payloadType, payload))
  const all = [...signatures, { keyid: key.public.id, sig }]
  const envelope = {
    payloadType,
    payload: payload.toString('base64'),
    signatures: all.map(({ keyid, sig }) => ({
      ...(keyid === undefined ? {} : { keyid }),
      sig: sig.toString('base64'),
    })),
  }
  return Buffer.from(`${JSON.stringify(envelope)}\n`)
}

/** What a check of an envelope's signatures found. */
export interface SignatureCheck<Key = PublicKey> {
  /** The distinct trusted keys that signed these bytes. */
  readonly signers: readonly Key[]
  /** Whether `signers` has as many keys as the threshold asks. */
  readonly met: boolean
}

/**
 * Checks signatures against keys that the *verifier* trusts. Distinct keys are counted, not signatures. A signature is tried with the key that
 * its `keyid` names first. Where that fails or names none it is tried with the others, in the order of signatures and keys, up to
 * {@link MAX_TRIALS} in all; what is not tried does not count.
 *
 * @throws SigningError `THRESHOLD_INVALID` when the threshold is not from 1 to the number of distinct keys
 */
export function checkSignatures(
  envelope: Envelope,
  trusted: readonly PublicKey[],
  threshold: number,
): SignatureCheck {
  return countSigners(envelope, trusted, threshold, verifyBytes, MAX_TRIALS)
}

/** The same with keys of any kind. @throws SigningError `THRESHOLD_INVALID` */
export function checkOtherSignatures(
  envelope: Envelope,
  trusted: readonly OtherKey[],
  threshold: number,
): SignatureCheck<OtherKey> {
  const verifies = (key: OtherKey, data: Buffer, signature: Buffer) => key.verify(data, signature)
  return countSigners(envelope, trusted, threshold, verifies, Number.POSITIVE_INFINITY)
}

function countSigners<Key extends { readonly id: string }>(
  envelope: Envelope,
  trusted: readonly Key[],
  threshold: number,
  verifies: (key: Key, data: Buffer, signature: Buffer) => boolean,
  maxTrials: number,
): SignatureCheck<Key> {
  const keys = new Map(trusted.map(key => [key.id, key]))
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > keys.size) {
    throw new SigningError('THRESHOLD_INVALID', `a threshold of ${threshold} over ${keys.size} distinct keys`)
  }
  const signed = preAuthenticationEncoding(envelope.payloadType, envelope.payload)
  const found = new Set<Key>()
  const others = envelope.signatures.filter(({ keyid, sig }) => {
    const named = keyid === undefined ? undefined : keys.get(keyid)
    if (named === undefined || !verifies(named, signed, sig)) return true
    found.add(named)
    return false
  })
  let trials = 0
  for (const { sig } of others) {
    for (const key of keys.values()) {
      if (found.has(key)) continue
      if (trials++ >= maxTrials) break
      if (!verifies(key, signed, sig)) continue
      found.add(key)
      break
    }
  }
  const signers = [...keys.values()].filter(key => found.has(key))
  return { signers, met: signers.length >= threshold }
}
