import { WritError } from '../../encoding/error.ts'

/**
 * `MALFORMED`: not reference values. `EVIDENCE_INCONSISTENT`: evidence that nothing should be captured from. `TOO_LARGE`: more than anybody
 * reads; `at` is what takes the room. `ROLLED_BACK`: older than values that were seen already. `REVISION_REUSED`: as old, and not the same.
 */
export type ReferenceValuesErrorCode =
  | 'REFERENCE_MALFORMED'
  | 'REFERENCE_EVIDENCE_INCONSISTENT'
  | 'REFERENCE_TOO_LARGE'
  | 'REFERENCE_ROLLED_BACK'
  | 'REFERENCE_REVISION_REUSED'

/** Reference values that cannot be used or made. `at` is the field. */
export class ReferenceValuesError extends WritError<ReferenceValuesErrorCode> {}
