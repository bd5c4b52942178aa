// Original file: writ/v1/error.proto

import type { ReasonInput as _writ_v1_ReasonInput, Reason as _writ_v1_Reason } from '../../writ/v1/Reason.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Detail of an error: the request was decided, and denied. Lists every reason of the stage that denied.
 */
export interface DenialInput {
  /**
   * In the order of the checks; never empty.
   */
  'reasons'?: (_writ_v1_ReasonInput)[];
  /**
   * Position of the decision in the lineage; absent if the denial was counted rather than recorded one by one.
   */
  'decisionIndex'?: (number | string | Long);
  '_decisionIndex'?: "decisionIndex";
}

/**
 * Detail of an error: the request was decided, and denied. Lists every reason of the stage that denied.
 */
export interface Denial {
  /**
   * In the order of the checks; never empty.
   */
  'reasons': (_writ_v1_Reason)[];
  /**
   * Position of the decision in the lineage; absent if the denial was counted rather than recorded one by one.
   */
  'decisionIndex'?: (string);
  '_decisionIndex'?: "decisionIndex";
}
