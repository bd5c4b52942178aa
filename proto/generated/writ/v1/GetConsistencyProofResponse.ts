// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A consistency proof (RFC 6962, section 2.1.2).
 */
export interface GetConsistencyProofResponseInput {
  /**
   * Size of the larger tree.
   */
  'newSize'?: (number | string | Long);
  /**
   * The proof, 32 bytes each.
   */
  'hashes'?: (Buffer | Uint8Array | string)[];
}

/**
 * A consistency proof (RFC 6962, section 2.1.2).
 */
export interface GetConsistencyProofResponse {
  /**
   * Size of the larger tree.
   */
  'newSize': (string);
  /**
   * The proof, 32 bytes each.
   */
  'hashes': (Buffer)[];
}
