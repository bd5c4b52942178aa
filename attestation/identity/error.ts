import { WritError } from '../../encoding/error.ts'

export type IdentityErrorCode =
  | 'CERTIFICATE_MALFORMED'
  | 'CERTIFICATE_EXPIRED'
  | 'CERTIFICATE_NOT_YET_VALID'
  | 'ISSUER_NOT_FOUND'
  | 'SIGNATURE_INVALID'
  | 'SIGNATURE_WEAK'
  | 'NOT_A_CA'
  | 'PATH_LENGTH'
  | 'KEY_USAGE'
  | 'EXTENSION_UNKNOWN'
  | 'NAME_CONSTRAINT'
  | 'KEY_WEAK'
  | 'REVOKED'
  | 'CRL_MALFORMED'
  | 'ROOT_AMBIGUOUS'
  | 'EK_UNSUPPORTED'
  | 'AK_UNFIT'
  | 'AK_MISMATCH'
  | 'SECRET_INVALID'
  | 'ANSWER_WRONG'
  | 'ENROLLMENT_EXPIRED'
  | 'ENROLLMENT_MALFORMED'

/** An EK, an AK or a certificate of theirs that does not prove what it has to prove. */
export class IdentityError extends WritError<IdentityErrorCode> {}
