// Original file: writ/v1/governance.proto


/**
 * Trust roots to put in force.
 */
export interface LoadTrustRootsRequestInput {
  /**
   * DSSE envelope.
   */
  'envelope'?: (Buffer | Uint8Array | string);
}

/**
 * Trust roots to put in force.
 */
export interface LoadTrustRootsRequest {
  /**
   * DSSE envelope.
   */
  'envelope': (Buffer);
}
