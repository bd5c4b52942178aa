// Original file: writ/v1/attestation.proto


/**
 * A piece of a report: a CMW collection in JSON (RFC 9999). Nothing in it is to be believed before it has been verified.
 */
export interface GetReportResponseInput {
  /**
   * The next bytes of the file.
   */
  'chunk'?: (Buffer | Uint8Array | string);
}

/**
 * A piece of a report: a CMW collection in JSON (RFC 9999). Nothing in it is to be believed before it has been verified.
 */
export interface GetReportResponse {
  /**
   * The next bytes of the file.
   */
  'chunk': (Buffer);
}
