// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Asks for an inclusion proof.
 */
export interface GetInclusionProofRequestInput {
  /**
   * Position of the entry.
   */
  'index'?: (number | string | Long);
  /**
   * Size of the tree. 0: as it is now.
   */
  'treeSize'?: (number | string | Long);
}

/**
 * Asks for an inclusion proof.
 */
export interface GetInclusionProofRequest {
  /**
   * Position of the entry.
   */
  'index': (string);
  /**
   * Size of the tree. 0: as it is now.
   */
  'treeSize': (string);
}
