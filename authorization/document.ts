import { sha256Hex } from '../encoding/digest.ts'
import {
  checkSignatures,
  type Envelope,
  MAX_ENVELOPE_BYTES,
  parseEnvelope,
  signEnvelope,
} from '../signing/dsse.ts'
import type { PublicKey, Signer } from '../signing/key.ts'
import { AuthorizationError } from './error.ts'

/** A document that a governance key signed: trust roots, a policy bundle, a revocation. */
export interface GovernanceDocument {
  readonly payload: Buffer
  /** SHA-256 of the payload: what names the document everywhere. */
  readonly digest: string
  readonly envelope: Buffer
  /** SHA-256 of the envelope: where the store of blobs keeps it. */
  readonly envelopeDigest: string
  /** The governance key that signed it. */
  readonly signer: PublicKey
}

/**
 * Reads a document without its signature, for those who only want to show it and say that nobody vouches for it.
 *
 * @throws AuthorizationError `DOCUMENT_MALFORMED`
 */
export function readDocument(
  bytes: Uint8Array,
  payloadType: string,
  maxBytes: number = MAX_ENVELOPE_BYTES,
): Omit<GovernanceDocument, 'signer'> {
  const { payload } = readEnvelope(bytes, payloadType, maxBytes)
  const envelope = Buffer.from(bytes)
  return { payload, digest: sha256Hex(payload), envelope, envelopeDigest: sha256Hex(envelope) }
}

function readEnvelope(bytes: Uint8Array, payloadType: string, maxBytes: number): Envelope {
  let envelope: Envelope
  try {
    envelope = parseEnvelope(bytes, maxBytes)
  } catch (cause) {
    throw new AuthorizationError(
      'DOCUMENT_MALFORMED',
      cause instanceof Error ? cause.message : 'not an envelope',
      {
        cause,
      },
    )
  }
  if (envelope.payloadType === payloadType) return envelope
  throw new AuthorizationError('DOCUMENT_MALFORMED', `payload type is not ${payloadType}`, {
    at: 'payloadType',
  })
}

/**
 * Opens a document: envelope → payload type → signature by one of the governance keys. The payload is not parsed.
 *
 * @param bytes controlled by whoever sent them
 * @param governance the keys that the *verifier* trusts; never taken from the document
 * @param maxBytes most bytes that are read
 * @throws AuthorizationError `DOCUMENT_MALFORMED` or `DOCUMENT_UNSIGNED`
 */
export function openDocument(
  bytes: Uint8Array,
  payloadType: string,
  governance: readonly PublicKey[],
  maxBytes: number = MAX_ENVELOPE_BYTES,
): GovernanceDocument {
  const envelope = readEnvelope(bytes, payloadType, maxBytes)
  const signer = governance.length === 0 ? undefined : checkSignatures(envelope, governance, 1).signers[0]
  if (signer === undefined) {
    throw new AuthorizationError('DOCUMENT_UNSIGNED', 'no governance key signed the document', {
      at: 'signatures',
    })
  }
  const copy = Buffer.from(bytes)
  return {
    payload: envelope.payload,
    digest: sha256Hex(envelope.payload),
    envelope: copy,
    envelopeDigest: sha256Hex(copy),
    signer,
  }
}

/**
 * Signs a payload as a governance document and gives the envelope's bytes.
 *
 * @throws SigningError `ENVELOPE_TOO_LARGE` for what {@link openDocument} would not read
 */
export function signDocument(
  payloadType: string,
  payload: Uint8Array,
  key: Signer,
  maxBytes: number = MAX_ENVELOPE_BYTES,
): Buffer {
  return signEnvelope(payloadType, payload, [key], maxBytes)
}
