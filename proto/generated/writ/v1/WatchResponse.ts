// Original file: writ/v1/execution.proto

import type { ExecutionInput as _writ_v1_ExecutionInput, Execution as _writ_v1_Execution } from '../../writ/v1/Execution.ts';

/**
 * One change.
 */
export interface WatchResponseInput {
  /**
   * The execution after the change.
   */
  'execution'?: (_writ_v1_ExecutionInput | null);
}

/**
 * One change.
 */
export interface WatchResponse {
  /**
   * The execution after the change.
   */
  'execution': (_writ_v1_Execution | null);
}
