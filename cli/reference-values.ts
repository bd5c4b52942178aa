import {
  MAX_REFERENCE_ENVELOPE_BYTES,
  parseReferenceValues,
  REFERENCE_VALUES_TYPE,
  type WrittenReferenceValues,
} from '../attestation/index.ts'
import { openDocument } from '../authorization/index.ts'
import type { PublicKey } from '../signing/key.ts'

/**
 * Opens reference values that one of the operator's keys signed.
 *
 * @throws AuthorizationError for envelope and signature, ReferenceValuesError for the document
 */
export function openReferenceValues(
  envelope: Uint8Array,
  operators: readonly PublicKey[],
): WrittenReferenceValues {
  return parseReferenceValues(
    openDocument(envelope, REFERENCE_VALUES_TYPE, operators, MAX_REFERENCE_ENVELOPE_BYTES).payload,
  )
}
