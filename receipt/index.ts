/**
 * Receipts: what the log says of one execution that has ended, with all that proves it, as one file. Pure over a log's entries; needs no daemon and no
 * TPM. What it says to other rooms is exported here.
 */

export {
  collectEntries,
  findPermit,
  makeReceipt,
  type ReceiptLog,
  type ReceiptParts,
} from './collect.ts'
export { ReceiptError, type ReceiptErrorCode } from './error.ts'
export {
  encodeReceipt,
  MAX_RECEIPT_BYTES,
  type ProvenEntry,
  parseReceipt,
  RECEIPT_MEDIA_TYPE,
  RECEIPT_TYPE,
  type Receipt,
  type ReceiptHost,
  STATEMENT_PAYLOAD_TYPE,
} from './file.ts'
export { RECEIPT_PREDICATE_TYPE, type ReceiptStatement, statementBytes, statementOf } from './statement.ts'
export { type Numbered, readStory, type Story } from './story.ts'
