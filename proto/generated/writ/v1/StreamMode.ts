// Original file: writ/v1/execution.proto

/**
 * Where a standard stream leads.
 */
export const StreamMode = {
  /**
   * As the artifact's scope has it.
   */
  STREAM_MODE_UNSPECIFIED: 'STREAM_MODE_UNSPECIFIED',
  /**
   * To the caller, through this call.
   */
  STREAM_MODE_PIPE: 'STREAM_MODE_PIPE',
  /**
   * Nowhere.
   */
  STREAM_MODE_NULL: 'STREAM_MODE_NULL',
  /**
   * A terminal, which the caller sees through this call: its keys are `stdin`, all that it shows is `stdout`. All three or none, and only
   * where the artifact signs it.
   */
  STREAM_MODE_TERMINAL: 'STREAM_MODE_TERMINAL',
} as const;

/**
 * Where a standard stream leads.
 */
export type StreamModeInput =
  /**
   * As the artifact's scope has it.
   */
  | 'STREAM_MODE_UNSPECIFIED'
  | 0
  /**
   * To the caller, through this call.
   */
  | 'STREAM_MODE_PIPE'
  | 1
  /**
   * Nowhere.
   */
  | 'STREAM_MODE_NULL'
  | 2
  /**
   * A terminal, which the caller sees through this call: its keys are `stdin`, all that it shows is `stdout`. All three or none, and only
   * where the artifact signs it.
   */
  | 'STREAM_MODE_TERMINAL'
  | 3

/**
 * Where a standard stream leads.
 */
export type StreamMode = typeof StreamMode[keyof typeof StreamMode]
