// Original file: writ/v1/execution.proto

import type { ExecuteStartedInput as _writ_v1_ExecuteStartedInput, ExecuteStarted as _writ_v1_ExecuteStarted } from '../../writ/v1/ExecuteStarted.ts';
import type { ExecutionEndInput as _writ_v1_ExecutionEndInput, ExecutionEnd as _writ_v1_ExecutionEnd } from '../../writ/v1/ExecutionEnd.ts';
import type { StdinClosedInput as _writ_v1_StdinClosedInput, StdinClosed as _writ_v1_StdinClosed } from '../../writ/v1/StdinClosed.ts';
import type { HandedOverInput as _writ_v1_HandedOverInput, HandedOver as _writ_v1_HandedOver } from '../../writ/v1/HandedOver.ts';
import type { AttachedInput as _writ_v1_AttachedInput, Attached as _writ_v1_Attached } from '../../writ/v1/Attached.ts';

/**
 * One message to the caller of Execute or Attach.
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
   * The daemon is restarted and the workload goes on. All of its output that the daemon had read came before this.
   */
  'handedOver'?: (_writ_v1_HandedOverInput | null);
  /**
   * It runs, and its input, output and end are this call's from now on.
   */
  'attached'?: (_writ_v1_AttachedInput | null);
  /**
   * `started` (of Attach: `attached`) first, then output in the order of each stream, then `ended` or `handed_over`; only `ended` if it could not
   * be started.
   */
  'message'?: "started"|"stdout"|"stderr"|"ended"|"stdinClosed"|"handedOver"|"attached";
}

/**
 * One message to the caller of Execute or Attach.
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
   * The daemon is restarted and the workload goes on. All of its output that the daemon had read came before this.
   */
  'handedOver'?: (_writ_v1_HandedOver | null);
  /**
   * It runs, and its input, output and end are this call's from now on.
   */
  'attached'?: (_writ_v1_Attached | null);
  /**
   * `started` (of Attach: `attached`) first, then output in the order of each stream, then `ended` or `handed_over`; only `ended` if it could not
   * be started.
   */
  'message'?: "started"|"stdout"|"stderr"|"ended"|"stdinClosed"|"handedOver"|"attached";
}
