// Original file: writ/v1/execution.proto

import type { WorkloadInput as _writ_v1_WorkloadInput, Workload as _writ_v1_Workload } from '../../writ/v1/Workload.ts';
import type { TerminalSizeInput as _writ_v1_TerminalSizeInput, TerminalSize as _writ_v1_TerminalSize } from '../../writ/v1/TerminalSize.ts';

/**
 * The first message of Execute.
 */
export interface ExecuteStartInput {
  /**
   * DSSE envelope of the authorization artifact. Empty: denied with ARTIFACT_MISSING.
   */
  'artifact'?: (Buffer | Uint8Array | string);
  /**
   * What to run.
   */
  'workload'?: (_writ_v1_WorkloadInput | null);
  /**
   * The size of its terminal when it starts. Absent: 24 rows of 80 columns.
   */
  'terminalSize'?: (_writ_v1_TerminalSizeInput | null);
}

/**
 * The first message of Execute.
 */
export interface ExecuteStart {
  /**
   * DSSE envelope of the authorization artifact. Empty: denied with ARTIFACT_MISSING.
   */
  'artifact': (Buffer);
  /**
   * What to run.
   */
  'workload': (_writ_v1_Workload | null);
  /**
   * The size of its terminal when it starts. Absent: 24 rows of 80 columns.
   */
  'terminalSize': (_writ_v1_TerminalSize | null);
}
