import { WritError } from '../../../encoding/error.ts'

/**
 * `MALFORMED`: the specification does not allow these bytes. `UNSUPPORTED`: it does, but no part of Writ uses this
 * algorithm or type.
 */
export type StructureErrorCode = 'MALFORMED' | 'UNSUPPORTED'

/** A TPM structure that cannot be used. What is merely too short or too long is an `EncodingError`. */
export class StructureError extends WritError<StructureErrorCode> {}
