export {
  bindExtraData,
  CHECKPOINT_DOMAIN,
  checkpointExtraData,
  type QuoteBinding,
  type QuoteDomain,
} from './binding.ts'
export {
  type ClockHistory,
  type ClockStep,
  firmwareChanged,
  formatFirmwareVersion,
  judgeClock,
} from './clock.ts'
export { QuoteError, type QuoteErrorCode } from './error.ts'
export { matchesPcrDigest, type PcrValues, pcrDigestMatcher } from './pcr-digest.ts'
export {
  type EnrolledAk,
  type Quote,
  type QuoteExpectation,
  type VerifiedQuote,
  verifyQuote,
} from './verify.ts'
