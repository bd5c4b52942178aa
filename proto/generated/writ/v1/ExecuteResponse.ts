// Original file: writ/v1/execution.proto

import type { ExecuteStartedInput as _writ_v1_ExecuteStartedInput, ExecuteStarted as _writ_v1_ExecuteStarted } from '../../writ/v1/ExecuteStarted.ts';
import type { ExecutionEndInput as _writ_v1_ExecutionEndInput, ExecutionEnd as _writ_v1_ExecutionEnd } from '../../writ/v1/ExecutionEnd.ts';
import type { StdinClosedInput as _writ_v1_StdinClosedInput, StdinClosed as _writ_v1_StdinClosed } from '../../writ/v1/StdinClosed.ts';

/**
 * One message to the caller of Execute.
 */
export interface ExecuteResponseInput {
  /**
   * The permit is durable and the workload runs.
   */
  'started'?: (_writ_v1_ExecuteStartedInput | null);
  /**
   * Bytes of standard output.
   */
  'stdout'?: (Buffer | Uint8Array | string);
  /**
   * Bytes of standard error.
   */
  'stderr'?: (Buffer | Uint8Array | string);
  /**
   * All processes of the workload are dead, or it could not be started.
   */
  'ended'?: (_writ_v1_ExecutionEndInput | null);
  /**
   * The workload has closed its standard input, and what is sent there is dropped. Comes once, when something could not be written.
   */
  'stdinClosed'?: (_writ_v1_StdinClosedInput | null);
  /**
   * `started` first, then output in the order of each stream, then `ended`; only `ended` if it could not be started.
   */
  'message'?: "started"|"stdout"|"stderr"|"ended"|"stdinClosed";
}

/**
 * One message to the caller of Execute.
 */
export interface ExecuteResponse {
  /**
   * The permit is durable and the workload runs.
   */
  'started'?: (_writ_v1_ExecuteStarted | null);
  /**
   * Bytes of standard output.
   */
  'stdout'?: (Buffer);
  /**
   * Bytes of standard error.
   */
  'stderr'?: (Buffer);
  /**
   * All processes of the workload are dead, or it could not be started.
   */
  'ended'?: (_writ_v1_ExecutionEnd | null);
  /**
   * The workload has closed its standard input, and what is sent there is dropped. Comes once, when something could not be written.
   */
  'stdinClosed'?: (_writ_v1_StdinClosed | null);
  /**
   * `started` first, then output in the order of each stream, then `ended`; only `ended` if it could not be started.
   */
  'message'?: "started"|"stdout"|"stderr"|"ended"|"stdinClosed";
}
