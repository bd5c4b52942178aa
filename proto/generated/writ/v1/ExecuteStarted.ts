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
  /**
   * 32 random bytes, to be kept secret: with them its caller attaches to it again when the daemon was restarted. Empty where it cannot be
   * attached to.
   */
  'attachToken'?: (Buffer | Uint8Array | string);
  /**
   * Whether it goes on when the daemon ends without a word, as the host's configuration has it. Attach then goes on with it, too.
   */
  'outlivesCrash'?: (boolean);
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
  /**
   * 32 random bytes, to be kept secret: with them its caller attaches to it again when the daemon was restarted. Empty where it cannot be
   * attached to.
   */
  'attachToken': (Buffer);
  /**
   * Whether it goes on when the daemon ends without a word, as the host's configuration has it. Attach then goes on with it, too.
   */
  'outlivesCrash': (boolean);
}
