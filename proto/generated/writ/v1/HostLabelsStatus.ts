// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * What the operator calls this host.
 */
export interface HostLabelsStatusInput {
  /**
   * Version of the document; a lower one is refused.
   */
  'version'?: (number | string | Long);
  /**
   * When the labels cease to count, or `any`.
   */
  'notAfter'?: (string);
  /**
   * The labels that count now.
   */
  'labels'?: (string)[];
  /**
   * Digest of the document.
   */
  'digest'?: (string);
}

/**
 * What the operator calls this host.
 */
export interface HostLabelsStatus {
  /**
   * Version of the document; a lower one is refused.
   */
  'version': (string);
  /**
   * When the labels cease to count, or `any`.
   */
  'notAfter': (string);
  /**
   * The labels that count now.
   */
  'labels': (string)[];
  /**
   * Digest of the document.
   */
  'digest': (string);
}
