// Original file: writ/v1/governance.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The trust roots are in force.
 */
export interface LoadTrustRootsResponseInput {
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
 * The trust roots are in force.
 */
export interface LoadTrustRootsResponse {
  /**
   * Digest of the envelope's decoded payload.
   */
  'digest': (string);
  /**
   * Position in the lineage.
   */
  'lineageIndex': (string);
}
