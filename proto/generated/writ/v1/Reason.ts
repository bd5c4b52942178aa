// Original file: writ/v1/error.proto

import type { ReasonCodeInput as _writ_v1_ReasonCodeInput, ReasonCode as _writ_v1_ReasonCode } from '../../writ/v1/ReasonCode.ts';

/**
 * One reason of a denial.
 */
export interface ReasonInput {
  /**
   * Which rule was not satisfied.
   */
  'code'?: (_writ_v1_ReasonCodeInput);
  /**
   * The same for a person.
   */
  'message'?: (string);
  /**
   * Where in the input: a field path, a file name; empty if the whole is meant.
   */
  'at'?: (string);
}

/**
 * One reason of a denial.
 */
export interface Reason {
  /**
   * Which rule was not satisfied.
   */
  'code': (_writ_v1_ReasonCode);
  /**
   * The same for a person.
   */
  'message': (string);
  /**
   * Where in the input: a field path, a file name; empty if the whole is meant.
   */
  'at': (string);
}
