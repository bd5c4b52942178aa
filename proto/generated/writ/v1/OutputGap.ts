// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Output that was not kept, or that came faster than it was read.
 */
export interface OutputGapInput {
  /**
   * Bytes of standard output.
   */
  'stdoutBytes'?: (number | string | Long);
  /**
   * Bytes of standard error.
   */
  'stderrBytes'?: (number | string | Long);
}

/**
 * Output that was not kept, or that came faster than it was read.
 */
export interface OutputGap {
  /**
   * Bytes of standard output.
   */
  'stdoutBytes': (string);
  /**
   * Bytes of standard error.
   */
  'stderrBytes': (string);
}
