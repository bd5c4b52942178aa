// Original file: writ/v1/lineage.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One entry.
 */
export interface ReadEntriesResponseInput {
  /**
   * Its position.
   */
  'index'?: (number | string | Long);
  /**
   * Its bytes, as they are hashed into the tree: canonical JSON.
   */
  'entry'?: (Buffer | Uint8Array | string);
}

/**
 * One entry.
 */
export interface ReadEntriesResponse {
  /**
   * Its position.
   */
  'index': (string);
  /**
   * Its bytes, as they are hashed into the tree: canonical JSON.
   */
  'entry': (Buffer);
}
