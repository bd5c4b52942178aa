import { WritError } from '../../encoding/error.ts'

export type ReportErrorCode =
  /** Not a CMW collection of a report, or an item in it that is not what its label says. */
  | 'REPORT_MALFORMED'
  /** More bytes than a report may have. */
  | 'REPORT_TOO_LARGE'
  /** Not what a verifier remembers of a host. */
  | 'HISTORY_MALFORMED'

/** Bytes that are not a report. `at` is the label of the item, or where in the file. */
export class ReportError extends WritError<ReportErrorCode> {}
