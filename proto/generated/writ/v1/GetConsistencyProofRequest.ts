// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Asks for a consistency proof.
 */
export interface GetConsistencyProofRequestInput {
  /**
   * Size of the smaller tree; at least 1.
   */
  'oldSize'?: (number | string | Long);
  /**
   * Size of the larger tree. 0: as it is now.
   */
  'newSize'?: (number | string | Long);
}

/**
 * Asks for a consistency proof.
 */
export interface GetConsistencyProofRequest {
  /**
   * Size of the smaller tree; at least 1.
   */
  'oldSize': (string);
  /**
   * Size of the larger tree. 0: as it is now.
   */
  'newSize': (string);
}
