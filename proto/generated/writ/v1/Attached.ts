// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The first message of Attach.
 */
export interface AttachedInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * The epoch of the trust gate to which it now belongs, and which it cannot outlive. 0: it has ended.
   */
  'epoch'?: (number | string | Long);
  /**
   * Bytes of standard input that are in the workload's pipe, since it started: send what follows. Absent where nobody knows any more, because
   * the daemon did not stop in order.
   */
  'stdinBytes'?: (number | string | Long);
  /**
   * Bytes of standard output and error together that callers were sent before this. More than have come: some were lost with a connection.
   * Absent as above.
   */
  'outputBytes'?: (number | string | Long);
  '_stdinBytes'?: "stdinBytes";
  '_outputBytes'?: "outputBytes";
}

/**
 * The first message of Attach.
 */
export interface Attached {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * The epoch of the trust gate to which it now belongs, and which it cannot outlive. 0: it has ended.
   */
  'epoch': (string);
  /**
   * Bytes of standard input that are in the workload's pipe, since it started: send what follows. Absent where nobody knows any more, because
   * the daemon did not stop in order.
   */
  'stdinBytes'?: (string);
  /**
   * Bytes of standard output and error together that callers were sent before this. More than have come: some were lost with a connection.
   * Absent as above.
   */
  'outputBytes'?: (string);
  '_stdinBytes'?: "stdinBytes";
  '_outputBytes'?: "outputBytes";
}
