// Original file: writ/v1/attestation.proto

import type { AttestationStatusInput as _writ_v1_AttestationStatusInput, AttestationStatus as _writ_v1_AttestationStatus } from '../../writ/v1/AttestationStatus.ts';

/**
 * One change of the status.
 */
export interface WatchStatusResponseInput {
  /**
   * After the change.
   */
  'status'?: (_writ_v1_AttestationStatusInput | null);
}

/**
 * One change of the status.
 */
export interface WatchStatusResponse {
  /**
   * After the change.
   */
  'status': (_writ_v1_AttestationStatus | null);
}
