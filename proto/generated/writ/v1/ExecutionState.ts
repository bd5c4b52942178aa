// Original file: writ/v1/execution.proto

/**
 * Where an execution is in its life.
 */
export const ExecutionState = {
  /**
   * Never sent.
   */
  EXECUTION_STATE_UNSPECIFIED: 'EXECUTION_STATE_UNSPECIFIED',
  /**
   * Permitted and made ready; has not run an instruction.
   */
  EXECUTION_STATE_PREPARING: 'EXECUTION_STATE_PREPARING',
  /**
   * Runs.
   */
  EXECUTION_STATE_RUNNING: 'EXECUTION_STATE_RUNNING',
  /**
   * Stopped because the gate closed and its artifact asks for that instead of a kill.
   */
  EXECUTION_STATE_FROZEN: 'EXECUTION_STATE_FROZEN',
  /**
   * Kill sent; not yet confirmed dead.
   */
  EXECUTION_STATE_ENDING: 'EXECUTION_STATE_ENDING',
  /**
   * All its processes are dead.
   */
  EXECUTION_STATE_ENDED: 'EXECUTION_STATE_ENDED',
  /**
   * Runs, and was handed over by the daemon before this one: it goes on once the host is attested anew, or ends with the lease that it had.
   */
  EXECUTION_STATE_KEPT: 'EXECUTION_STATE_KEPT',
} as const;

/**
 * Where an execution is in its life.
 */
export type ExecutionStateInput =
  /**
   * Never sent.
   */
  | 'EXECUTION_STATE_UNSPECIFIED'
  | 0
  /**
   * Permitted and made ready; has not run an instruction.
   */
  | 'EXECUTION_STATE_PREPARING'
  | 1
  /**
   * Runs.
   */
  | 'EXECUTION_STATE_RUNNING'
  | 2
  /**
   * Stopped because the gate closed and its artifact asks for that instead of a kill.
   */
  | 'EXECUTION_STATE_FROZEN'
  | 3
  /**
   * Kill sent; not yet confirmed dead.
   */
  | 'EXECUTION_STATE_ENDING'
  | 4
  /**
   * All its processes are dead.
   */
  | 'EXECUTION_STATE_ENDED'
  | 5
  /**
   * Runs, and was handed over by the daemon before this one: it goes on once the host is attested anew, or ends with the lease that it had.
   */
  | 'EXECUTION_STATE_KEPT'
  | 6

/**
 * Where an execution is in its life.
 */
export type ExecutionState = typeof ExecutionState[keyof typeof ExecutionState]
