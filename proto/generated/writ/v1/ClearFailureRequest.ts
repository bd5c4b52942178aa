// Original file: writ/v1/governance.proto


/**
 * A clearance.
 */
export interface ClearFailureRequestInput {
  /**
   * DSSE envelope.
   */
  'envelope'?: (Buffer | Uint8Array | string);
}

/**
 * A clearance.
 */
export interface ClearFailureRequest {
  /**
   * DSSE envelope.
   */
  'envelope': (Buffer);
}
