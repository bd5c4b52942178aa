import { WritError } from '../../encoding/error.ts'

export type EarErrorCode =
  /** Not a JWS in compact form, or a header that is not understood. */
  | 'EAR_MALFORMED'
  /** Not a key that a token can be checked with. */
  | 'EAR_KEY_UNUSABLE'
  /** The token's algorithm is not one that the caller allows, or not the key's. */
  | 'EAR_ALGORITHM_REFUSED'
  | 'EAR_SIGNATURE_INVALID'
  /** Claims that are missing or have the wrong form. */
  | 'EAR_CLAIMS_INVALID'
  | 'EAR_PROFILE_UNKNOWN'
  | 'EAR_EXPIRED'
  | 'EAR_NOT_YET_VALID'
  | 'EAR_NONCE_MISMATCH'

/** A token that is not a good attestation result. `at` names the part or the claim. */
export class EarError extends WritError<EarErrorCode> {}
