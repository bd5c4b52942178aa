// Original file: writ/v1/governance.proto


/**
 * Asks for a page of what is revoked.
 */
export interface ListRevocationsRequestInput {
  /**
   * Most in the answer, 1 to 1000. 0: 1000.
   */
  'pageSize'?: (number);
  /**
   * `next_page_token` of the answer before; empty for the first page.
   */
  'pageToken'?: (string);
}

/**
 * Asks for a page of what is revoked.
 */
export interface ListRevocationsRequest {
  /**
   * Most in the answer, 1 to 1000. 0: 1000.
   */
  'pageSize': (number);
  /**
   * `next_page_token` of the answer before; empty for the first page.
   */
  'pageToken': (string);
}
