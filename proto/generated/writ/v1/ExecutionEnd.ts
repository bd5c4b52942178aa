// Original file: writ/v1/execution.proto

import type { EndCauseInput as _writ_v1_EndCauseInput, EndCause as _writ_v1_EndCause } from '../../writ/v1/EndCause.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * How an execution ended.
 */
export interface ExecutionEndInput {
  /**
   * Why.
   */
  'cause'?: (_writ_v1_EndCauseInput);
  /**
   * Exit status of the first process; absent if a signal ended it.
   */
  'exitCode'?: (number);
  /**
   * Number of the signal that ended the first process; absent if it exited.
   */
  'signal'?: (number);
  /**
   * Whether every process of it was seen to be dead.
   */
  'confirmedDead'?: (boolean);
  /**
   * When it was confirmed dead.
   */
  'time'?: (string);
  /**
   * Milliseconds from the order to end it until every process was dead; absent if it ended by itself.
   */
  'killMs'?: (number | string);
  /**
   * Processor time spent in user mode, in microseconds.
   */
  'userUs'?: (number | string | Long);
  /**
   * Processor time spent in the kernel, in microseconds.
   */
  'systemUs'?: (number | string | Long);
  /**
   * Most memory at one time, in bytes.
   */
  'memoryPeakBytes'?: (number | string | Long);
  /**
   * More on the cause for a person, such as why it could not be started; may be empty.
   */
  'message'?: (string);
  /**
   * The execution that ended. Of one that could not be started nothing else says it.
   */
  'executionId'?: (string);
  '_exitCode'?: "exitCode";
  '_signal'?: "signal";
  '_killMs'?: "killMs";
}

/**
 * How an execution ended.
 */
export interface ExecutionEnd {
  /**
   * Why.
   */
  'cause': (_writ_v1_EndCause);
  /**
   * Exit status of the first process; absent if a signal ended it.
   */
  'exitCode'?: (number);
  /**
   * Number of the signal that ended the first process; absent if it exited.
   */
  'signal'?: (number);
  /**
   * Whether every process of it was seen to be dead.
   */
  'confirmedDead': (boolean);
  /**
   * When it was confirmed dead.
   */
  'time': (string);
  /**
   * Milliseconds from the order to end it until every process was dead; absent if it ended by itself.
   */
  'killMs'?: (number);
  /**
   * Processor time spent in user mode, in microseconds.
   */
  'userUs': (string);
  /**
   * Processor time spent in the kernel, in microseconds.
   */
  'systemUs': (string);
  /**
   * Most memory at one time, in bytes.
   */
  'memoryPeakBytes': (string);
  /**
   * More on the cause for a person, such as why it could not be started; may be empty.
   */
  'message': (string);
  /**
   * The execution that ended. Of one that could not be started nothing else says it.
   */
  'executionId': (string);
  '_exitCode'?: "exitCode";
  '_signal'?: "signal";
  '_killMs'?: "killMs";
}
