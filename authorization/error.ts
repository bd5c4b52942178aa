import { WritError } from '../encoding/error.ts'

/** What can be wrong with a document that governs authorization, or with a decision record. */
export type AuthorizationErrorCode =
  | 'STATEMENT_MALFORMED'
  | 'REQUEST_MALFORMED'
  | 'INPUT_MALFORMED'
  | 'TRUST_MALFORMED'
  | 'POLICY_MALFORMED'
  | 'POLICY_INVALID'
  | 'CASES_MALFORMED'
  | 'REVOCATION_MALFORMED'
  | 'LABELS_MALFORMED'
  | 'SECRET_POLICY_MALFORMED'
  | 'SECRET_INVALID'
  | 'WRONG_HOST'
  | 'REVOCATIONS_FULL'
  | 'DOCUMENT_MALFORMED'
  | 'DOCUMENT_UNSIGNED'
  | 'DOCUMENT_REVOKED'
  | 'ROLLED_BACK'
  | 'NOT_VALID_NOW'
  | 'RECORD_MALFORMED'
  | 'RECORD_VERSION_UNKNOWN'
  | 'RECORD_INCOMPLETE'
  | 'BLOB_MISSING'
  | 'BLOB_ALTERED'
  | 'NOT_PERMITTED'

/** A document or a record that cannot be used. A request that is denied is a decision, not an error. */
export class AuthorizationError extends WritError<AuthorizationErrorCode> {}
