// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The evidence store: blobs that the lineage names by digest.
 */
export interface EvidenceStatusInput {
  /**
   * What it takes of the disk, in bytes; absent until it has been counted after an unclean stop.
   */
  'bytes'?: (number | string | Long);
  /**
   * What it may take: beyond that the oldest is dropped.
   */
  'maxBytes'?: (number | string | Long);
  /**
   * Whether it takes more than that, and all that is left has to be kept.
   */
  'overBound'?: (boolean);
  '_bytes'?: "bytes";
}

/**
 * The evidence store: blobs that the lineage names by digest.
 */
export interface EvidenceStatus {
  /**
   * What it takes of the disk, in bytes; absent until it has been counted after an unclean stop.
   */
  'bytes'?: (string);
  /**
   * What it may take: beyond that the oldest is dropped.
   */
  'maxBytes': (string);
  /**
   * Whether it takes more than that, and all that is left has to be kept.
   */
  'overBound': (boolean);
  '_bytes'?: "bytes";
}
