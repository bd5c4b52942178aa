// Original file: writ/v1/execution.proto

import type { OutputStreamInput as _writ_v1_OutputStreamInput, OutputStream as _writ_v1_OutputStream } from '../../writ/v1/OutputStream.ts';

/**
 * Names an execution and a stream that nobody reads any longer.
 */
export interface CloseOutputRequestInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * Which.
   */
  'stream'?: (_writ_v1_OutputStreamInput);
}

/**
 * Names an execution and a stream that nobody reads any longer.
 */
export interface CloseOutputRequest {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * Which.
   */
  'stream': (_writ_v1_OutputStream);
}
