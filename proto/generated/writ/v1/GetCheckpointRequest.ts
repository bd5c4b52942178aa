// Original file: writ/v1/lineage.proto


/**
 * Asks for the newest checkpoint.
 */
export interface GetCheckpointRequestInput {
  /**
   * Whether to sign the tree as it is now if the newest checkpoint is older. For auditors.
   */
  'fresh'?: (boolean);
}

/**
 * Asks for the newest checkpoint.
 */
export interface GetCheckpointRequest {
  /**
   * Whether to sign the tree as it is now if the newest checkpoint is older. For auditors.
   */
  'fresh': (boolean);
}
