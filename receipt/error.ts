import { WritError } from '../encoding/error.ts'

/**
 * What keeps a receipt from being made or read.
 *
 * - `RECEIPT_MALFORMED` bytes that are not a receipt
 * - `RECEIPT_TOO_LARGE` more entries or bytes than a receipt holds
 * - `RECEIPT_INCONSISTENT` entries that do not belong together, or do not say the same
 * - `NOT_PERMITTED` the entry that should be its permit is none, or is another execution's
 * - `NOT_STARTED` it was permitted and never ran
 * - `NOT_ENDED` it runs, or nobody has seen that all its processes are dead
 * - `BUSY` too many are being made at one time
 * - `CHECKPOINT_MISSING` no checkpoint that covers its end was signed in time
 * - `ENTRY_MISSING`, `BLOB_MISSING` what the receipt needs of the log is not there
 */
export type ReceiptErrorCode =
  | 'RECEIPT_MALFORMED'
  | 'RECEIPT_TOO_LARGE'
  | 'RECEIPT_INCONSISTENT'
  | 'NOT_PERMITTED'
  | 'NOT_STARTED'
  | 'NOT_ENDED'
  | 'BUSY'
  | 'CHECKPOINT_MISSING'
  | 'ENTRY_MISSING'
  | 'BLOB_MISSING'

/** `at` is a field, an entry's index or a digest. */
export class ReceiptError extends WritError<ReceiptErrorCode> {}
