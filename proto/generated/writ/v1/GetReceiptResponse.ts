// Original file: writ/v1/execution.proto


/**
 * A piece of a receipt's file.
 */
export interface GetReceiptResponseInput {
  /**
   * In their order.
   */
  'chunk'?: (Buffer | Uint8Array | string);
}

/**
 * A piece of a receipt's file.
 */
export interface GetReceiptResponse {
  /**
   * In their order.
   */
  'chunk': (Buffer);
}
