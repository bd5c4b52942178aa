import { WritError } from '../encoding/error.ts'

/**
 * What can keep a lineage from being opened, written or read.
 *
 * - `LINEAGE_ABSENT` the directory holds no lineage
 * - `LINEAGE_LOCKED` another process (or this one) has it open for writing
 * - `LINEAGE_BROKEN` its files contradict each other: something was changed, lost or damaged
 * - `LINEAGE_ROLLED_BACK` its files are consistent but older than what the TPM's counter or a signed head says
 * - `LINEAGE_NEW_EPOCH` it took the place of one that could not go on, and no operator has accepted it yet
 * - `LINEAGE_UNAVAILABLE` it cannot be written now (disk full, queue full) or any more (an I/O error)
 * - `LINEAGE_CLOSED` it was closed
 * - `ENTRY_TOO_LARGE`, `BLOB_TOO_LARGE` more bytes than the format holds
 * - `BLOB_ABSENT`, `BLOB_DAMAGED` the evidence store lacks a blob, or holds other bytes under its digest
 * - `RANGE_INVALID` an index or a size that the tree does not have
 * - `PATH_MALFORMED`, `BUNDLE_MALFORMED`, `NOTE_MALFORMED`, `CHECKPOINT_MALFORMED`, `PROOF_MALFORMED`, `POLICY_MALFORMED`, `EVENT_INVALID` bytes that are not what they claim
 * - `SNAPSHOT_MALFORMED`, `SNAPSHOT_TOO_LARGE` a snapshot that is none; what would be one and is too large
 * - `SIGNATURE_INVALID` a signer gave a signature that does not verify
 */
export type LineageErrorCode =
  | 'LINEAGE_ABSENT'
  | 'LINEAGE_LOCKED'
  | 'LINEAGE_BROKEN'
  | 'LINEAGE_ROLLED_BACK'
  | 'LINEAGE_NEW_EPOCH'
  | 'LINEAGE_UNAVAILABLE'
  | 'LINEAGE_CLOSED'
  | 'ENTRY_TOO_LARGE'
  | 'BLOB_TOO_LARGE'
  | 'BLOB_ABSENT'
  | 'BLOB_DAMAGED'
  | 'RANGE_INVALID'
  | 'PATH_MALFORMED'
  | 'BUNDLE_MALFORMED'
  | 'NOTE_MALFORMED'
  | 'PROOF_MALFORMED'
  | 'POLICY_MALFORMED'
  | 'CHECKPOINT_MALFORMED'
  | 'EVENT_INVALID'
  | 'SNAPSHOT_MALFORMED'
  | 'SNAPSHOT_TOO_LARGE'
  | 'SIGNATURE_INVALID'

/** `at` is a file (relative to the lineage's directory), a field or an index, said in the message. */
export class LineageError extends WritError<LineageErrorCode> {}
