// Original file: writ/v1/attestation.proto


/**
 * Asks for a report.
 */
export interface GetReportRequestInput {
  /**
   * Exactly 32 bytes, drawn by the caller.
   */
  'nonce'?: (Buffer | Uint8Array | string);
}

/**
 * Asks for a report.
 */
export interface GetReportRequest {
  /**
   * Exactly 32 bytes, drawn by the caller.
   */
  'nonce': (Buffer);
}
