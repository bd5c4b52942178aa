// Original file: writ/v1/governance.proto


/**
 * A policy bundle to put in force.
 */
export interface LoadPolicyRequestInput {
  /**
   * DSSE envelope.
   */
  'envelope'?: (Buffer | Uint8Array | string);
}

/**
 * A policy bundle to put in force.
 */
export interface LoadPolicyRequest {
  /**
   * DSSE envelope.
   */
  'envelope': (Buffer);
}
