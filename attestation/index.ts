/**
 * Judging evidence: quotes, logs, reference values, identity, reports. Pure functions over bytes; nothing here talks to a TPM
 * (that is `tpm2/index.ts`), reads a file or a clock.
 */

export {
  TRUST_CLAIMS,
  TRUST_VALUE,
  type TrustClaimName,
  type TrustTier,
  type TrustVector,
  trustTier,
  trustVector,
  vectorTier,
} from './appraisal/claims.ts'
export type { AppraisalReason, AppraisalReasonCode, Severity, Verdict } from './appraisal/reason.ts'
export { LogReplays } from './appraisal/replays.ts'
export { type Appraisal, type AppraisalInput, appraise } from './appraise.ts'
export * from './ear/index.ts'
export * from './eventlog/index.ts'
export type { Evidence } from './evidence.ts'
export * from './identity/index.ts'
export * from './ima/index.ts'
export * from './quote/index.ts'
export * from './quoted/index.ts'
export * from './reference/index.ts'
export * from './report/index.ts'
export * from './sealed/index.ts'
export {
  type ClockInfo,
  type HashAlgorithm,
  hashName,
  type PcrSelection,
  parseQuoteAttest,
  QUOTED_BANK,
  QUOTED_SELECTION,
  type QuoteAttest,
} from './tpm2/structures/index.ts'
export * from './uki/index.ts'
export * from './userspace/index.ts'
