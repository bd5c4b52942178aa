// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * An inclusion proof (RFC 6962, section 2.1.1).
 */
export interface GetInclusionProofResponseInput {
  /**
   * Size of the tree.
   */
  'treeSize'?: (number | string | Long);
  /**
   * Hash of the leaf, 32 bytes.
   */
  'leafHash'?: (Buffer | Uint8Array | string);
  /**
   * Audit path, from the leaf up, 32 bytes each.
   */
  'hashes'?: (Buffer | Uint8Array | string)[];
}

/**
 * An inclusion proof (RFC 6962, section 2.1.1).
 */
export interface GetInclusionProofResponse {
  /**
   * Size of the tree.
   */
  'treeSize': (string);
  /**
   * Hash of the leaf, 32 bytes.
   */
  'leafHash': (Buffer);
  /**
   * Audit path, from the leaf up, 32 bytes each.
   */
  'hashes': (Buffer)[];
}
