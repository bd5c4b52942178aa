// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Asks for a range of entries.
 */
export interface ReadEntriesRequestInput {
  /**
   * First position.
   */
  'from'?: (number | string | Long);
  /**
   * Position after the last. 0: to the end as it is when the call begins.
   */
  'to'?: (number | string | Long);
}

/**
 * Asks for a range of entries.
 */
export interface ReadEntriesRequest {
  /**
   * First position.
   */
  'from': (string);
  /**
   * Position after the last. 0: to the end as it is when the call begins.
   */
  'to': (string);
}
