// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The last message before a restart of the daemon.
 */
export interface HandedOverInput {
  /**
   * Bytes of standard input that are in the workload's pipe, since it started. What was sent beyond that was dropped: send it again to Attach.
   * Of input that the workload has closed: all that came.
   */
  'stdinBytes'?: (number | string | Long);
}

/**
 * The last message before a restart of the daemon.
 */
export interface HandedOver {
  /**
   * Bytes of standard input that are in the workload's pipe, since it started. What was sent beyond that was dropped: send it again to Attach.
   * Of input that the workload has closed: all that came.
   */
  'stdinBytes': (string);
}
