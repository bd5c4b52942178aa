// Original file: writ/v1/execution.proto

import type { OutputGapInput as _writ_v1_OutputGapInput, OutputGap as _writ_v1_OutputGap } from '../../writ/v1/OutputGap.ts';

/**
 * One piece of output, in the order in which it was written.
 */
export interface ReadOutputResponseInput {
  /**
   * So much is missing here.
   */
  'gap'?: (_writ_v1_OutputGapInput | null);
  /**
   * Bytes of standard output.
   */
  'stdout'?: (Buffer | Uint8Array | string);
  /**
   * Bytes of standard error.
   */
  'stderr'?: (Buffer | Uint8Array | string);
  /**
   * Output, or its absence.
   */
  'message'?: "gap"|"stdout"|"stderr";
}

/**
 * One piece of output, in the order in which it was written.
 */
export interface ReadOutputResponse {
  /**
   * So much is missing here.
   */
  'gap'?: (_writ_v1_OutputGap | null);
  /**
   * Bytes of standard output.
   */
  'stdout'?: (Buffer);
  /**
   * Bytes of standard error.
   */
  'stderr'?: (Buffer);
  /**
   * Output, or its absence.
   */
  'message'?: "gap"|"stdout"|"stderr";
}
