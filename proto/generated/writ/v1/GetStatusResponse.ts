// Original file: writ/v1/attestation.proto

import type { AttestationStatusInput as _writ_v1_AttestationStatusInput, AttestationStatus as _writ_v1_AttestationStatus } from '../../writ/v1/AttestationStatus.ts';

/**
 * The status.
 */
export interface GetStatusResponseInput {
  /**
   * As it is now.
   */
  'status'?: (_writ_v1_AttestationStatusInput | null);
}

/**
 * The status.
 */
export interface GetStatusResponse {
  /**
   * As it is now.
   */
  'status': (_writ_v1_AttestationStatus | null);
}
