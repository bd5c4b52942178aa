// Original file: writ/v1/execution.proto

import type { StreamModeInput as _writ_v1_StreamModeInput, StreamMode as _writ_v1_StreamMode } from '../../writ/v1/StreamMode.ts';

/**
 * Where a workload's standard streams lead. Either all three are said or none.
 */
export interface StdioInput {
  /**
   * Standard input.
   */
  'stdin'?: (_writ_v1_StreamModeInput);
  /**
   * Standard output.
   */
  'stdout'?: (_writ_v1_StreamModeInput);
  /**
   * Standard error.
   */
  'stderr'?: (_writ_v1_StreamModeInput);
}

/**
 * Where a workload's standard streams lead. Either all three are said or none.
 */
export interface Stdio {
  /**
   * Standard input.
   */
  'stdin': (_writ_v1_StreamMode);
  /**
   * Standard output.
   */
  'stdout': (_writ_v1_StreamMode);
  /**
   * Standard error.
   */
  'stderr': (_writ_v1_StreamMode);
}
