// Original file: writ/v1/execution.proto

import type { SignalInput as _writ_v1_SignalInput, Signal as _writ_v1_Signal } from '../../writ/v1/Signal.ts';

/**
 * Names an execution and a signal for it.
 */
export interface SignalRequestInput {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId'?: (string);
  /**
   * What to send.
   */
  'signal'?: (_writ_v1_SignalInput);
}

/**
 * Names an execution and a signal for it.
 */
export interface SignalRequest {
  /**
   * 32 lower-case hexadecimal digits.
   */
  'executionId': (string);
  /**
   * What to send.
   */
  'signal': (_writ_v1_Signal);
}
