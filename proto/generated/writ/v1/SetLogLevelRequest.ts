// Original file: writ/v1/governance.proto

import type { LogLevelInput as _writ_v1_LogLevelInput, LogLevel as _writ_v1_LogLevel } from '../../writ/v1/LogLevel.ts';

/**
 * A level for a while, or back to the configured one.
 */
export interface SetLogLevelRequestInput {
  /**
   * Unspecified: back to the configured level at once.
   */
  'level'?: (_writ_v1_LogLevelInput);
  /**
   * For how long, 1 to 86,400; 0 where `level` is unspecified.
   */
  'seconds'?: (number);
}

/**
 * A level for a while, or back to the configured one.
 */
export interface SetLogLevelRequest {
  /**
   * Unspecified: back to the configured level at once.
   */
  'level': (_writ_v1_LogLevel);
  /**
   * For how long, 1 to 86,400; 0 where `level` is unspecified.
   */
  'seconds': (number);
}
