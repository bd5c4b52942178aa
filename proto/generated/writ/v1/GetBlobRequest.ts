// Original file: writ/v1/lineage.proto


/**
 * Names a blob.
 */
export interface GetBlobRequestInput {
  /**
   * SHA-256 in lower-case hexadecimal.
   */
  'digest'?: (string);
}

/**
 * Names a blob.
 */
export interface GetBlobRequest {
  /**
   * SHA-256 in lower-case hexadecimal.
   */
  'digest': (string);
}
