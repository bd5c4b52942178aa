// Original file: writ/v1/execution.proto


/**
 * Asks for changes of executions.
 */
export interface WatchRequestInput {
  /**
   * One execution: the stream ends when it has ended. Empty: all that the caller may see.
   */
  'executionId'?: (string);
}

/**
 * Asks for changes of executions.
 */
export interface WatchRequest {
  /**
   * One execution: the stream ends when it has ended. Empty: all that the caller may see.
   */
  'executionId': (string);
}
