// Original file: writ/v1/governance.proto

import type { RevocationKindInput as _writ_v1_RevocationKindInput, RevocationKind as _writ_v1_RevocationKind } from '../../writ/v1/RevocationKind.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One thing that is revoked.
 */
export interface RevocationInput {
  /**
   * What is named.
   */
  'kind'?: (_writ_v1_RevocationKindInput);
  /**
   * Its digest or id.
   */
  'id'?: (string);
  /**
   * The epoch of the document that revoked it.
   */
  'epoch'?: (number | string | Long);
}

/**
 * One thing that is revoked.
 */
export interface Revocation {
  /**
   * What is named.
   */
  'kind': (_writ_v1_RevocationKind);
  /**
   * Its digest or id.
   */
  'id': (string);
  /**
   * The epoch of the document that revoked it.
   */
  'epoch': (string);
}
