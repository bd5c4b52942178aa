// Original file: writ/v1/governance.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The labels are in force.
 */
export interface LoadHostLabelsResponseInput {
  /**
   * Digest of the envelope's decoded payload.
   */
  'digest'?: (string);
  /**
   * Position in the lineage.
   */
  'lineageIndex'?: (number | string | Long);
}

/**
 * The labels are in force.
 */
export interface LoadHostLabelsResponse {
  /**
   * Digest of the envelope's decoded payload.
   */
  'digest': (string);
  /**
   * Position in the lineage.
   */
  'lineageIndex': (string);
}
