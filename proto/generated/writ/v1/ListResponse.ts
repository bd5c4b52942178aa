// Original file: writ/v1/execution.proto

import type { ExecutionInput as _writ_v1_ExecutionInput, Execution as _writ_v1_Execution } from '../../writ/v1/Execution.ts';

/**
 * One page of executions.
 */
export interface ListResponseInput {
  /**
   * Newest first.
   */
  'executions'?: (_writ_v1_ExecutionInput)[];
  /**
   * Names the next page; empty if this is the last.
   */
  'nextPageToken'?: (string);
}

/**
 * One page of executions.
 */
export interface ListResponse {
  /**
   * Newest first.
   */
  'executions': (_writ_v1_Execution)[];
  /**
   * Names the next page; empty if this is the last.
   */
  'nextPageToken': (string);
}
