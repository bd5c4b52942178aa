// Original file: writ/v1/lineage.proto


/**
 * A piece of a blob.
 */
export interface GetBlobResponseInput {
  /**
   * The next bytes.
   */
  'chunk'?: (Buffer | Uint8Array | string);
}

/**
 * A piece of a blob.
 */
export interface GetBlobResponse {
  /**
   * The next bytes.
   */
  'chunk': (Buffer);
}
