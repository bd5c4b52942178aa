// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A permit. A denial is an error with `Denial` as its detail.
 */
export interface AuthorizeResponseInput {
  /**
   * DSSE envelope of the artifact that was made; empty if one came with the request.
   */
  'artifact'?: (Buffer | Uint8Array | string);
  /**
   * Digest of the envelope's decoded payload.
   */
  'artifactDigest'?: (string);
  /**
   * End of its validity; that of a minted artifact is never later than the evidence's.
   */
  'notAfter'?: (string);
  /**
   * Position of the decision in the lineage.
   */
  'decisionIndex'?: (number | string | Long);
}

/**
 * A permit. A denial is an error with `Denial` as its detail.
 */
export interface AuthorizeResponse {
  /**
   * DSSE envelope of the artifact that was made; empty if one came with the request.
   */
  'artifact': (Buffer);
  /**
   * Digest of the envelope's decoded payload.
   */
  'artifactDigest': (string);
  /**
   * End of its validity; that of a minted artifact is never later than the evidence's.
   */
  'notAfter': (string);
  /**
   * Position of the decision in the lineage.
   */
  'decisionIndex': (string);
}
