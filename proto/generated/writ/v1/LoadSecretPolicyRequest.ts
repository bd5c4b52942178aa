// Original file: writ/v1/governance.proto


/**
 * A secret policy to put in force.
 */
export interface LoadSecretPolicyRequestInput {
  /**
   * DSSE envelope.
   */
  'envelope'?: (Buffer | Uint8Array | string);
}

/**
 * A secret policy to put in force.
 */
export interface LoadSecretPolicyRequest {
  /**
   * DSSE envelope.
   */
  'envelope': (Buffer);
}
