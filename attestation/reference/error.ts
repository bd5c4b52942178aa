import { WritError } from '../../encoding/error.ts'

/** `MALFORMED`: not reference values. `EVIDENCE_INCONSISTENT`: evidence that nothing should be captured from. */
export type ReferenceValuesErrorCode = 'REFERENCE_MALFORMED' | 'REFERENCE_EVIDENCE_INCONSISTENT'

/** Reference values that cannot be used or made. `at` is the field. */
export class ReferenceValuesError extends WritError<ReferenceValuesErrorCode> {}
