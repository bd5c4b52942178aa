// Original file: writ/v1/execution.proto

import type { WorkloadInput as _writ_v1_WorkloadInput, Workload as _writ_v1_Workload } from '../../writ/v1/Workload.ts';

/**
 * Asks whether a workload may run.
 */
export interface AuthorizeRequestInput {
  /**
   * What would be run.
   */
  'workload'?: (_writ_v1_WorkloadInput | null);
  /**
   * DSSE envelope of the artifact to judge it by. Empty: one is to be made.
   */
  'artifact'?: (Buffer | Uint8Array | string);
}

/**
 * Asks whether a workload may run.
 */
export interface AuthorizeRequest {
  /**
   * What would be run.
   */
  'workload': (_writ_v1_Workload | null);
  /**
   * DSSE envelope of the artifact to judge it by. Empty: one is to be made.
   */
  'artifact': (Buffer);
}
