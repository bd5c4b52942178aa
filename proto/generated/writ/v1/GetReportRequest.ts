// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Asks for a report.
 */
export interface GetReportRequestInput {
  /**
   * Exactly 32 bytes, drawn by the caller.
   */
  'nonce'?: (Buffer | Uint8Array | string);
  /**
   * Entries of the IMA log that the caller knows already, from a report with `known_reset_count`. The report then has those after them. It
   * has the whole log all the same if the TPM was reset since, or the log has fewer entries.
   */
  'knownImaEntries'?: (number);
  /**
   * The TPM's reset count in the quote of the report that those entries are from.
   */
  'knownResetCount'?: (number);
  /**
   * Entries of the lineage that an earlier report was bound to; 0 if none was. The report then proves that the lineage goes on from them, unless
   * it has fewer.
   */
  'knownTreeSize'?: (number | string | Long);
}

/**
 * Asks for a report.
 */
export interface GetReportRequest {
  /**
   * Exactly 32 bytes, drawn by the caller.
   */
  'nonce': (Buffer);
  /**
   * Entries of the IMA log that the caller knows already, from a report with `known_reset_count`. The report then has those after them. It
   * has the whole log all the same if the TPM was reset since, or the log has fewer entries.
   */
  'knownImaEntries': (number);
  /**
   * The TPM's reset count in the quote of the report that those entries are from.
   */
  'knownResetCount': (number);
  /**
   * Entries of the lineage that an earlier report was bound to; 0 if none was. The report then proves that the lineage goes on from them, unless
   * it has fewer.
   */
  'knownTreeSize': (string);
}
