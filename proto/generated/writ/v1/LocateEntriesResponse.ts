// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Positions.
 */
export interface LocateEntriesResponseInput {
  /**
   * Of the first entry of that time or later.
   */
  'from'?: (number | string | Long);
  /**
   * After the last entry of that time or earlier; not less than `from`.
   */
  'to'?: (number | string | Long);
  /**
   * Entries in the lineage.
   */
  'size'?: (number | string | Long);
}

/**
 * Positions.
 */
export interface LocateEntriesResponse {
  /**
   * Of the first entry of that time or later.
   */
  'from': (string);
  /**
   * After the last entry of that time or earlier; not less than `from`.
   */
  'to': (string);
  /**
   * Entries in the lineage.
   */
  'size': (string);
}
