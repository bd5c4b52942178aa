// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Names an execution whose receipt is asked for.
 */
export interface GetReceiptRequestInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * Position of its permit in the lineage, as `started` said it. Needed for what the daemon does not remember, unless an auditor asks.
   */
  'decisionIndex'?: (number | string | Long);
  '_decisionIndex'?: "decisionIndex";
}

/**
 * Names an execution whose receipt is asked for.
 */
export interface GetReceiptRequest {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * Position of its permit in the lineage, as `started` said it. Needed for what the daemon does not remember, unless an auditor asks.
   */
  'decisionIndex'?: (string);
  '_decisionIndex'?: "decisionIndex";
}
