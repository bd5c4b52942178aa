// Original file: writ/v1/execution.proto

import type { ExecutionInput as _writ_v1_ExecutionInput, Execution as _writ_v1_Execution } from '../../writ/v1/Execution.ts';

/**
 * The kill has been ordered.
 */
export interface TerminateResponseInput {
  /**
   * The execution as it is once it is confirmed dead, or after ten seconds: then still ENDING.
   */
  'execution'?: (_writ_v1_ExecutionInput | null);
}

/**
 * The kill has been ordered.
 */
export interface TerminateResponse {
  /**
   * The execution as it is once it is confirmed dead, or after ten seconds: then still ENDING.
   */
  'execution': (_writ_v1_Execution | null);
}
