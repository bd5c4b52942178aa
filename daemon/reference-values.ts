import {
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
  type ReferenceValues,
  withoutFileList,
} from '../attestation/index.ts'
import { openDocument } from '../authorization/index.ts'
import { parseEnvelope } from '../signing/dsse.ts'
import type { PublicKey } from '../signing/key.ts'

/** Reference values that a governance key signed. */
export interface SignedReferenceValues {
  readonly values: ReferenceValues
  /** SHA-256 of the payload. */
  readonly digest: string
}

/**
 * Opens signed reference values: envelope → governance signature → document.
 *
 * @throws AuthorizationError for the envelope or the signature, ReferenceError for the document
 */
export function openReferenceValues(
  envelope: Uint8Array,
  governance: readonly PublicKey[],
): SignedReferenceValues {
  const document = openDocument(envelope, REFERENCE_VALUES_TYPE, governance, MAX_REFERENCE_ENVELOPE_BYTES)
  return {
    values: withoutFileList(parseReferenceValues(document.payload)),
    digest: document.digest,
  }
}

/**
 * Reads reference values without their signature, which was checked when they were recorded: what is older stays refused when the key that signed them
 * is no longer trusted. Nothing is judged by them.
 *
 * @throws SigningError when it is not an envelope, ReferenceValuesError for the document
 */
export function readReferenceValues(envelope: Uint8Array): ReferenceValues {
  return parseReferenceValues(parseEnvelope(envelope, MAX_REFERENCE_ENVELOPE_BYTES).payload)
}
