// Original file: writ/v1/execution.proto

import type { AttachStartInput as _writ_v1_AttachStartInput, AttachStart as _writ_v1_AttachStart } from '../../writ/v1/AttachStart.ts';

/**
 * One message from the caller of Attach.
 */
export interface AttachRequestInput {
  /**
   * Which execution.
   */
  'start'?: (_writ_v1_AttachStartInput | null);
  /**
   * Bytes for standard input, from `Attached.stdin_bytes` on.
   */
  'stdin'?: (Buffer | Uint8Array | string);
  /**
   * `start` first, then any number of `stdin`.
   */
  'message'?: "start"|"stdin";
}

/**
 * One message from the caller of Attach.
 */
export interface AttachRequest {
  /**
   * Which execution.
   */
  'start'?: (_writ_v1_AttachStart | null);
  /**
   * Bytes for standard input, from `Attached.stdin_bytes` on.
   */
  'stdin'?: (Buffer);
  /**
   * `start` first, then any number of `stdin`.
   */
  'message'?: "start"|"stdin";
}
