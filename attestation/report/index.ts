/** The report: evidence of one moment with all that its quote is bound to, in one file that others can read without this project. */
export {
  type CmwCollection,
  type CmwRecord,
  encodeCmwCollection,
  INDICATOR,
  parseCmwCollection,
} from './cmw.ts'
export { encodeReport, encodeReportPieces, reportFiles } from './encode.ts'
export { ReportError, type ReportErrorCode } from './error.ts'
export { reportExtraData } from './evidence-steps.ts'
export {
  encodeExecutions,
  MAX_LISTED_EXECUTIONS,
  parseExecutions,
  type ReportedExecution,
  type ReportedExecutions,
} from './executions.ts'
export {
  encodeReportHistory,
  type KnownIma,
  MAX_REPORT_HISTORY_BYTES,
  parseReportHistory,
  type ReportHistory,
} from './history.ts'
export { imaEntryOffset } from './ima-part.ts'
export { LAYOUT, REPORT_TYPE, type ReportLabel } from './layout.ts'
export { parseReport } from './parse.ts'
export type { ReportProperty } from './property.ts'
export {
  type BoundTree,
  claimedHostId,
  MAX_REPORT_BYTES,
  type Report,
  type ReportCheckpoint,
  type ReportGrowth,
} from './report.ts'
export type { LineageJudge, ReportTrust } from './trust.ts'
export { unpackReport } from './unpack.ts'
export { type ReportVerification, verifyReport } from './verify.ts'
