// Original file: writ/v1/execution.proto

import type { ExecutionStateInput as _writ_v1_ExecutionStateInput, ExecutionState as _writ_v1_ExecutionState } from '../../writ/v1/ExecutionState.ts';
import type { ExecutionEndInput as _writ_v1_ExecutionEndInput, ExecutionEnd as _writ_v1_ExecutionEnd } from '../../writ/v1/ExecutionEnd.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One run of a workload under one artifact.
 */
export interface ExecutionInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * Where it is in its life.
   */
  'state'?: (_writ_v1_ExecutionStateInput);
  /**
   * The uid that asked for it.
   */
  'callerUid'?: (number);
  /**
   * Path of the program.
   */
  'program'?: (string);
  /**
   * Its arguments.
   */
  'argv'?: (string)[];
  /**
   * Digest of the artifact's decoded payload.
   */
  'artifactDigest'?: (string);
  /**
   * Who issued the artifact.
   */
  'issuer'?: (string);
  /**
   * The execution that asked for it; empty if none.
   */
  'parentExecutionId'?: (string);
  /**
   * The user that it runs as.
   */
  'uid'?: (number);
  /**
   * The trust gate's epoch in which it started.
   */
  'epoch'?: (number | string | Long);
  /**
   * Position of its permit in the lineage.
   */
  'decisionIndex'?: (number | string | Long);
  /**
   * When it was permitted.
   */
  'permittedTime'?: (string);
  /**
   * When it started to run; empty before.
   */
  'startedTime'?: (string);
  /**
   * Process id of its first process on this host; 0 before it has one.
   */
  'pid'?: (number);
  /**
   * How it ended; absent before.
   */
  'end'?: (_writ_v1_ExecutionEndInput | null);
}

/**
 * One run of a workload under one artifact.
 */
export interface Execution {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * Where it is in its life.
   */
  'state': (_writ_v1_ExecutionState);
  /**
   * The uid that asked for it.
   */
  'callerUid': (number);
  /**
   * Path of the program.
   */
  'program': (string);
  /**
   * Its arguments.
   */
  'argv': (string)[];
  /**
   * Digest of the artifact's decoded payload.
   */
  'artifactDigest': (string);
  /**
   * Who issued the artifact.
   */
  'issuer': (string);
  /**
   * The execution that asked for it; empty if none.
   */
  'parentExecutionId': (string);
  /**
   * The user that it runs as.
   */
  'uid': (number);
  /**
   * The trust gate's epoch in which it started.
   */
  'epoch': (string);
  /**
   * Position of its permit in the lineage.
   */
  'decisionIndex': (string);
  /**
   * When it was permitted.
   */
  'permittedTime': (string);
  /**
   * When it started to run; empty before.
   */
  'startedTime': (string);
  /**
   * Process id of its first process on this host; 0 before it has one.
   */
  'pid': (number);
  /**
   * How it ended; absent before.
   */
  'end': (_writ_v1_ExecutionEnd | null);
}
