// Original file: writ/v1/governance.proto

import type { LogLevelInput as _writ_v1_LogLevelInput, LogLevel as _writ_v1_LogLevel } from '../../writ/v1/LogLevel.ts';

/**
 * The level that is in force.
 */
export interface SetLogLevelResponseInput {
  /**
   * Now.
   */
  'level'?: (_writ_v1_LogLevelInput);
  /**
   * As configured, to which it goes back.
   */
  'configured'?: (_writ_v1_LogLevelInput);
  /**
   * When it goes back, RFC 3339; empty if it is as configured.
   */
  'untilTime'?: (string);
}

/**
 * The level that is in force.
 */
export interface SetLogLevelResponse {
  /**
   * Now.
   */
  'level': (_writ_v1_LogLevel);
  /**
   * As configured, to which it goes back.
   */
  'configured': (_writ_v1_LogLevel);
  /**
   * When it goes back, RFC 3339; empty if it is as configured.
   */
  'untilTime': (string);
}
