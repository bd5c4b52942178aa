// Original file: writ/v1/governance.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The clearance is in force.
 */
export interface ClearFailureResponseInput {
  /**
   * Position in the lineage.
   */
  'lineageIndex'?: (number | string | Long);
}

/**
 * The clearance is in force.
 */
export interface ClearFailureResponse {
  /**
   * Position in the lineage.
   */
  'lineageIndex': (string);
}
