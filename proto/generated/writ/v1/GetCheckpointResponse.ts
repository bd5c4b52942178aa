// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A checkpoint.
 */
export interface GetCheckpointResponseInput {
  /**
   * C2SP signed note with an Ed25519 and a tpm2-quote signature line.
   */
  'note'?: (Buffer | Uint8Array | string);
  /**
   * Entries in the tree that it speaks of.
   */
  'size'?: (number | string | Long);
  /**
   * Root hash of that tree, 32 bytes.
   */
  'root'?: (Buffer | Uint8Array | string);
}

/**
 * A checkpoint.
 */
export interface GetCheckpointResponse {
  /**
   * C2SP signed note with an Ed25519 and a tpm2-quote signature line.
   */
  'note': (Buffer);
  /**
   * Entries in the tree that it speaks of.
   */
  'size': (string);
  /**
   * Root hash of that tree, 32 bytes.
   */
  'root': (Buffer);
}
