// Original file: writ/v1/execution.proto

import type { TerminalSizeInput as _writ_v1_TerminalSizeInput, TerminalSize as _writ_v1_TerminalSize } from '../../writ/v1/TerminalSize.ts';

/**
 * The first message of Attach.
 */
export interface AttachStartInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * `ExecuteStarted.attach_token`.
   */
  'attachToken'?: (Buffer | Uint8Array | string);
  /**
   * The size of its terminal now. Absent: as it was.
   */
  'terminalSize'?: (_writ_v1_TerminalSizeInput | null);
}

/**
 * The first message of Attach.
 */
export interface AttachStart {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * `ExecuteStarted.attach_token`.
   */
  'attachToken': (Buffer);
  /**
   * The size of its terminal now. Absent: as it was.
   */
  'terminalSize': (_writ_v1_TerminalSize | null);
}
