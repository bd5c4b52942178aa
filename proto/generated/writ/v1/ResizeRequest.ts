// Original file: writ/v1/execution.proto

import type { TerminalSizeInput as _writ_v1_TerminalSizeInput, TerminalSize as _writ_v1_TerminalSize } from '../../writ/v1/TerminalSize.ts';

/**
 * Names an execution and a size for its terminal.
 */
export interface ResizeRequestInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * The new size.
   */
  'size'?: (_writ_v1_TerminalSizeInput | null);
}

/**
 * Names an execution and a size for its terminal.
 */
export interface ResizeRequest {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * The new size.
   */
  'size': (_writ_v1_TerminalSize | null);
}
