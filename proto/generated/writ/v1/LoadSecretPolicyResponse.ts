// Original file: writ/v1/governance.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The secret policy is in force, and the TPM's counter for secrets is where it says.
 */
export interface LoadSecretPolicyResponseInput {
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
 * The secret policy is in force, and the TPM's counter for secrets is where it says.
 */
export interface LoadSecretPolicyResponse {
  /**
   * Digest of the envelope's decoded payload.
   */
  'digest': (string);
  /**
   * Position in the lineage.
   */
  'lineageIndex': (string);
}
