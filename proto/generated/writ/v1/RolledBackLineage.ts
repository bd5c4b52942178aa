// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A restored lineage as it was found. A clearance names all three.
 */
export interface RolledBackLineageInput {
  /**
   * Where the TPM's counter stands.
   */
  'counter'?: (number | string | Long);
  /**
   * Entries of the log that was found.
   */
  'size'?: (number | string | Long);
  /**
   * Root of its tree.
   */
  'root'?: (Buffer | Uint8Array | string);
}

/**
 * A restored lineage as it was found. A clearance names all three.
 */
export interface RolledBackLineage {
  /**
   * Where the TPM's counter stands.
   */
  'counter': (string);
  /**
   * Entries of the log that was found.
   */
  'size': (string);
  /**
   * Root of its tree.
   */
  'root': (Buffer);
}
