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
  /**
   * Whether the lineage's entry of the end is to have SHA-256 and length of all that went through each standard stream. Of a stream that
   * leads nowhere, or of which not all went through the daemon to its end, there is none.
   */
  'digestStreams'?: (boolean);
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
  /**
   * Whether the lineage's entry of the end is to have SHA-256 and length of all that went through each standard stream. Of a stream that
   * leads nowhere, or of which not all went through the daemon to its end, there is none.
   */
  'digestStreams': (boolean);
}
