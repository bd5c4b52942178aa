// Original file: writ/v1/execution.proto


/**
 * Names one execution.
 */
export interface GetRequestInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
}

/**
 * Names one execution.
 */
export interface GetRequest {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
}
