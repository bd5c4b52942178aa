// Original file: writ/v1/governance.proto

import type { RevocationInput as _writ_v1_RevocationInput, Revocation as _writ_v1_Revocation } from '../../writ/v1/Revocation.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One page of what is revoked.
 */
export interface ListRevocationsResponseInput {
  /**
   * The newest epoch; 0 if nothing was ever revoked.
   */
  'epoch'?: (number | string | Long);
  /**
   * Oldest first. What is revoked stays where it is, so pages fit together whatever is added meanwhile.
   */
  'revocations'?: (_writ_v1_RevocationInput)[];
  /**
   * Names the next page; empty if this is the last.
   */
  'nextPageToken'?: (string);
  /**
   * How many there are in all.
   */
  'total'?: (number | string | Long);
}

/**
 * One page of what is revoked.
 */
export interface ListRevocationsResponse {
  /**
   * The newest epoch; 0 if nothing was ever revoked.
   */
  'epoch': (string);
  /**
   * Oldest first. What is revoked stays where it is, so pages fit together whatever is added meanwhile.
   */
  'revocations': (_writ_v1_Revocation)[];
  /**
   * Names the next page; empty if this is the last.
   */
  'nextPageToken': (string);
  /**
   * How many there are in all.
   */
  'total': (string);
}
