// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A lineage that took the place of another, as it was found. A clearance names all four.
 */
export interface NewLineageEpochInput {
  /**
   * Which one it is; the first lineage of a host is 1.
   */
  'epoch'?: (number | string | Long);
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
 * A lineage that took the place of another, as it was found. A clearance names all four.
 */
export interface NewLineageEpoch {
  /**
   * Which one it is; the first lineage of a host is 1.
   */
  'epoch': (string);
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
