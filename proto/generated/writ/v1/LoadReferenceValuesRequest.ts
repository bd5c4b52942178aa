// Original file: writ/v1/governance.proto


/**
 * Reference values to put in force.
 */
export interface LoadReferenceValuesRequestInput {
  /**
   * DSSE envelope.
   */
  'envelope'?: (Buffer | Uint8Array | string);
}

/**
 * Reference values to put in force.
 */
export interface LoadReferenceValuesRequest {
  /**
   * DSSE envelope.
   */
  'envelope': (Buffer);
}
