import {
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
  type ReferenceValues,
} from '../attestation/index.ts'
import { openDocument } from '../authorization/index.ts'
import type { PublicKey } from '../signing/key.ts'

/** Reference values that a governance key signed. */
export interface SignedReferenceValues {
  readonly values: ReferenceValues
  /** SHA-256 of the payload. */
  readonly digest: string
  readonly envelope: Buffer
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
    values: parseReferenceValues(document.payload),
    digest: document.digest,
    envelope: document.envelope,
  }
}
