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
  /**
   * Whether to go on with what is appended, as soon as it is durable, until the caller leaves or the daemon stops. Only with `to` 0; then
   * `from` may be the size of the lineage.
   */
  'follow'?: (boolean);
  /**
   * Types of the entries to send; none: all. At most 64.
   */
  'types'?: (string)[];
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
  /**
   * Whether to go on with what is appended, as soon as it is durable, until the caller leaves or the daemon stops. Only with `to` 0; then
   * `from` may be the size of the lineage.
   */
  'follow': (boolean);
  /**
   * Types of the entries to send; none: all. At most 64.
   */
  'types': (string)[];
}
