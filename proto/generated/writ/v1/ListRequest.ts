// Original file: writ/v1/execution.proto


/**
 * Asks for executions.
 */
export interface ListRequestInput {
  /**
   * Whether executions that have ended are listed too.
   */
  'includeEnded'?: (boolean);
  /**
   * Most executions in the answer, 1 to 1000. 0: 100.
   */
  'pageSize'?: (number);
  /**
   * `next_page_token` of the answer before; empty for the first page.
   */
  'pageToken'?: (string);
}

/**
 * Asks for executions.
 */
export interface ListRequest {
  /**
   * Whether executions that have ended are listed too.
   */
  'includeEnded': (boolean);
  /**
   * Most executions in the answer, 1 to 1000. 0: 100.
   */
  'pageSize': (number);
  /**
   * `next_page_token` of the answer before; empty for the first page.
   */
  'pageToken': (string);
}
