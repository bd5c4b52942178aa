// Original file: writ/v1/governance.proto


/**
 * Labels of this host to put in force.
 */
export interface LoadHostLabelsRequestInput {
  /**
   * DSSE envelope.
   */
  'envelope'?: (Buffer | Uint8Array | string);
}

/**
 * Labels of this host to put in force.
 */
export interface LoadHostLabelsRequest {
  /**
   * DSSE envelope.
   */
  'envelope': (Buffer);
}
