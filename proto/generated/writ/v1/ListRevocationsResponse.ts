// Original file: writ/v1/governance.proto

import type { RevocationInput as _writ_v1_RevocationInput, Revocation as _writ_v1_Revocation } from '../../writ/v1/Revocation.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * The revocations in force.
 */
export interface ListRevocationsResponseInput {
  /**
   * The newest epoch; 0 if nothing was ever revoked.
   */
  'epoch'?: (number | string | Long);
  /**
   * All that is revoked.
   */
  'revocations'?: (_writ_v1_RevocationInput)[];
}

/**
 * The revocations in force.
 */
export interface ListRevocationsResponse {
  /**
   * The newest epoch; 0 if nothing was ever revoked.
   */
  'epoch': (string);
  /**
   * All that is revoked.
   */
  'revocations': (_writ_v1_Revocation)[];
}
