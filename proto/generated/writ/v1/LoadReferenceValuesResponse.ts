// Original file: writ/v1/governance.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The reference values are in force.
 */
export interface LoadReferenceValuesResponseInput {
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
 * The reference values are in force.
 */
export interface LoadReferenceValuesResponse {
  /**
   * Digest of the envelope's decoded payload.
   */
  'digest': (string);
  /**
   * Position in the lineage.
   */
  'lineageIndex': (string);
}
