// Original file: writ/v1/execution.proto


/**
 * Asks for an execution's end.
 */
export interface TerminateRequestInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
}

/**
 * Asks for an execution's end.
 */
export interface TerminateRequest {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
}
