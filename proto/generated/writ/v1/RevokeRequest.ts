// Original file: writ/v1/governance.proto


/**
 * Revocations to add.
 */
export interface RevokeRequestInput {
  /**
   * DSSE envelope.
   */
  'envelope'?: (Buffer | Uint8Array | string);
}

/**
 * Revocations to add.
 */
export interface RevokeRequest {
  /**
   * DSSE envelope.
   */
  'envelope': (Buffer);
}
