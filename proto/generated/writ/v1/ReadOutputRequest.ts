// Original file: writ/v1/execution.proto


/**
 * Asks for the output of an execution.
 */
export interface ReadOutputRequestInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * Whether what it writes from now on is sent too, until it has ended. Otherwise the stream ends with what was written before the call.
   */
  'follow'?: (boolean);
}

/**
 * Asks for the output of an execution.
 */
export interface ReadOutputRequest {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * Whether what it writes from now on is sent too, until it has ended. Otherwise the stream ends with what was written before the call.
   */
  'follow': (boolean);
}
