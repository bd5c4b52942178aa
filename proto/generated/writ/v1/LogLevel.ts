// Original file: writ/v1/governance.proto

/**
 * How much the daemon logs.
 */
export const LogLevel = {
  /**
   * As configured.
   */
  LOG_LEVEL_UNSPECIFIED: 'LOG_LEVEL_UNSPECIFIED',
  /**
   * Everything.
   */
  LOG_LEVEL_DEBUG: 'LOG_LEVEL_DEBUG',
  /**
   * What happens.
   */
  LOG_LEVEL_INFO: 'LOG_LEVEL_INFO',
  /**
   * Denials, and what goes wrong.
   */
  LOG_LEVEL_WARN: 'LOG_LEVEL_WARN',
  /**
   * What goes wrong in the daemon itself.
   */
  LOG_LEVEL_ERROR: 'LOG_LEVEL_ERROR',
} as const;

/**
 * How much the daemon logs.
 */
export type LogLevelInput =
  /**
   * As configured.
   */
  | 'LOG_LEVEL_UNSPECIFIED'
  | 0
  /**
   * Everything.
   */
  | 'LOG_LEVEL_DEBUG'
  | 1
  /**
   * What happens.
   */
  | 'LOG_LEVEL_INFO'
  | 2
  /**
   * Denials, and what goes wrong.
   */
  | 'LOG_LEVEL_WARN'
  | 3
  /**
   * What goes wrong in the daemon itself.
   */
  | 'LOG_LEVEL_ERROR'
  | 4

/**
 * How much the daemon logs.
 */
export type LogLevel = typeof LogLevel[keyof typeof LogLevel]
