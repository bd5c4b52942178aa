// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The policy bundle in force.
 */
export interface PolicyStatusInput {
  /**
   * Its version; a lower one is refused.
   */
  'version'?: (number | string | Long);
  /**
   * From when on it decides, or `any`.
   */
  'notBefore'?: (string);
  /**
   * When it ceases to, or `any`. From then on nothing is permitted.
   */
  'notAfter'?: (string);
  /**
   * Whether it decides now.
   */
  'valid'?: (boolean);
}

/**
 * The policy bundle in force.
 */
export interface PolicyStatus {
  /**
   * Its version; a lower one is refused.
   */
  'version': (string);
  /**
   * From when on it decides, or `any`.
   */
  'notBefore': (string);
  /**
   * When it ceases to, or `any`. From then on nothing is permitted.
   */
  'notAfter': (string);
  /**
   * Whether it decides now.
   */
  'valid': (boolean);
}
