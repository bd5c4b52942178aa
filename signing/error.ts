import { WritError } from '../encoding/error.ts'

export type SigningErrorCode =
  | 'KEY_MALFORMED'
  | 'KEY_UNSUPPORTED'
  | 'KEY_WEAK'
  | 'ENVELOPE_MALFORMED'
  | 'ENVELOPE_TOO_LARGE'
  | 'PAYLOAD_TYPE_UNEXPECTED'
  | 'THRESHOLD_INVALID'

/** A key or an envelope that cannot be used. A signature that does not verify is a result, not an error. */
export class SigningError extends WritError<SigningErrorCode> {}
