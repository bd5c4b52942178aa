/** EAT Attestation Results (draft-ietf-rats-ear): an appraisal as a signed token, for relying parties that read no evidence. */

export {
  EAR_ALGORITHMS,
  type EarAlgorithm,
  type EarKey,
  earKeyFromJwk,
  earKeyFromSpki,
  isEarAlgorithm,
} from './algorithm.ts'
export type { EarAppraisal, EarClaims } from './claims.ts'
export { EarError, type EarErrorCode } from './error.ts'
export { type EarContext, type EarDocument, earFromAppraisal, NO_TRUST_CLAIMS, signEar } from './issue.ts'
export { type EarTrust, verifyEar } from './verify.ts'
