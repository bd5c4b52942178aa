// Original file: writ/v1/execution.proto

import type { ExecutionInput as _writ_v1_ExecutionInput, Execution as _writ_v1_Execution } from '../../writ/v1/Execution.ts';

/**
 * One execution.
 */
export interface GetResponseInput {
  /**
   * The execution asked for.
   */
  'execution'?: (_writ_v1_ExecutionInput | null);
}

/**
 * One execution.
 */
export interface GetResponse {
  /**
   * The execution asked for.
   */
  'execution': (_writ_v1_Execution | null);
}
