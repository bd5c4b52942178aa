export {
  bindExtraData,
  CHECKPOINT_DOMAIN,
  CYCLE_DOMAIN,
  type CycleBinding,
  checkpointExtraData,
  encodeBinding,
  type QuoteBinding,
  RECIPIENT_DOMAIN,
  REPORT_DOMAIN,
  type RecipientBinding,
  type ReportBinding,
  recipientExtraData,
} from './binding.ts'
export { MAX_PCR_FILE_BYTES, readClaimedPcrs } from './claimed-pcrs.ts'
export {
  type ClockHistory,
  type ClockStep,
  firmwareChanged,
  formatFirmwareVersion,
  judgeClock,
} from './clock.ts'
export { QuoteError, type QuoteErrorCode, QuoteInputError } from './error.ts'
export {
  encodeQuoteHistory,
  type HistoryStep,
  judgeHistory,
  MAX_HISTORY_BYTES,
  parseQuoteHistory,
  type QuoteHistory,
} from './history.ts'
export { joinPcrs, splitPcrs } from './joined-pcrs.ts'
export { type QuoteKey, readQuoteKey, tpmQuoteKey } from './key.ts'
export {
  type BankValues,
  bankDigestMatcher,
  checkPcrValues,
  matchesBanks,
  matchesPcrDigest,
  type PcrValues,
  pcrDigestMatcher,
} from './pcr-digest.ts'
export { encodePcrsFile, parsePcrsFile } from './pcrs-file.ts'
export { bankName, readSelectionText, selectionText } from './selection-text.ts'
export { readSignatureFormat, type SignatureFormat } from './signature.ts'
export {
  checkQuote,
  type EnrolledAk,
  type Quote,
  type QuoteExpectation,
  type QuoteQuestion,
  type VerifiedQuote,
  verifyName,
  verifyQuote,
  weakness,
} from './verify.ts'
