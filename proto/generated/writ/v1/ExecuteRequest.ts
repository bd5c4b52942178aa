// Original file: writ/v1/execution.proto

import type { ExecuteStartInput as _writ_v1_ExecuteStartInput, ExecuteStart as _writ_v1_ExecuteStart } from '../../writ/v1/ExecuteStart.ts';

/**
 * One message from the caller of Execute.
 */
export interface ExecuteRequestInput {
  /**
   * What to run and under which artifact.
   */
  'start'?: (_writ_v1_ExecuteStartInput | null);
  /**
   * Bytes for standard input.
   */
  'stdin'?: (Buffer | Uint8Array | string);
  /**
   * `start` first, then any number of `stdin`.
   */
  'message'?: "start"|"stdin";
}

/**
 * One message from the caller of Execute.
 */
export interface ExecuteRequest {
  /**
   * What to run and under which artifact.
   */
  'start'?: (_writ_v1_ExecuteStart | null);
  /**
   * Bytes for standard input.
   */
  'stdin'?: (Buffer);
  /**
   * `start` first, then any number of `stdin`.
   */
  'message'?: "start"|"stdin";
}
