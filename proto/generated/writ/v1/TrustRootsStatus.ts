// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The trust roots in force.
 */
export interface TrustRootsStatusInput {
  /**
   * Their version; a lower one is refused.
   */
  'version'?: (number | string | Long);
  /**
   * When they cease to count, or `any`. From then on nothing is permitted.
   */
  'notAfter'?: (string);
  /**
   * Whether they count now.
   */
  'valid'?: (boolean);
}

/**
 * The trust roots in force.
 */
export interface TrustRootsStatus {
  /**
   * Their version; a lower one is refused.
   */
  'version': (string);
  /**
   * When they cease to count, or `any`. From then on nothing is permitted.
   */
  'notAfter': (string);
  /**
   * Whether they count now.
   */
  'valid': (boolean);
}
