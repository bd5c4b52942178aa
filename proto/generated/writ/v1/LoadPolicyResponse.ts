// Original file: writ/v1/governance.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The bundle is in force.
 */
export interface LoadPolicyResponseInput {
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
 * The bundle is in force.
 */
export interface LoadPolicyResponse {
  /**
   * Digest of the envelope's decoded payload.
   */
  'digest': (string);
  /**
   * Position in the lineage.
   */
  'lineageIndex': (string);
}
