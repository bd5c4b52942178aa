// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Says that the workload runs.
 */
export interface ExecuteStartedInput {
  /**
   * 32 lower-case hexadecimal digits, drawn by the daemon.
   */
  'executionId'?: (string);
  /**
   * Position of the permit in the lineage.
   */
  'decisionIndex'?: (number | string | Long);
  /**
   * Digest of the artifact's decoded payload.
   */
  'artifactDigest'?: (string);
  /**
   * The epoch of the trust gate in which it started, and which it cannot outlive.
   */
  'epoch'?: (number | string | Long);
}

/**
 * Says that the workload runs.
 */
export interface ExecuteStarted {
  /**
   * 32 lower-case hexadecimal digits, drawn by the daemon.
   */
  'executionId': (string);
  /**
   * Position of the permit in the lineage.
   */
  'decisionIndex': (string);
  /**
   * Digest of the artifact's decoded payload.
   */
  'artifactDigest': (string);
  /**
   * The epoch of the trust gate in which it started, and which it cannot outlive.
   */
  'epoch': (string);
}
