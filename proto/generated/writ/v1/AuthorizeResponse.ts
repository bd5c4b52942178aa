// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * A minted artifact.
 */
export interface AuthorizeResponseInput {
  /**
   * DSSE envelope to give to Execute.
   */
  'artifact'?: (Buffer | Uint8Array | string);
  /**
   * Digest of the envelope's decoded payload.
   */
  'artifactDigest'?: (string);
  /**
   * End of its validity; never later than the evidence's.
   */
  'notAfter'?: (string);
  /**
   * Position of the decision in the lineage.
   */
  'decisionIndex'?: (number | string | Long);
}

/**
 * A minted artifact.
 */
export interface AuthorizeResponse {
  /**
   * DSSE envelope to give to Execute.
   */
  'artifact': (Buffer);
  /**
   * Digest of the envelope's decoded payload.
   */
  'artifactDigest': (string);
  /**
   * End of its validity; never later than the evidence's.
   */
  'notAfter': (string);
  /**
   * Position of the decision in the lineage.
   */
  'decisionIndex': (string);
}
