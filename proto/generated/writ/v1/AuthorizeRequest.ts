// Original file: writ/v1/execution.proto

import type { WorkloadInput as _writ_v1_WorkloadInput, Workload as _writ_v1_Workload } from '../../writ/v1/Workload.ts';

/**
 * Asks for a minted artifact.
 */
export interface AuthorizeRequestInput {
  /**
   * What will be run.
   */
  'workload'?: (_writ_v1_WorkloadInput | null);
}

/**
 * Asks for a minted artifact.
 */
export interface AuthorizeRequest {
  /**
   * What will be run.
   */
  'workload': (_writ_v1_Workload | null);
}
