// Original file: writ/v1/execution.proto

/**
 * Why an execution ended.
 */
export const EndCause = {
  /**
   * Never sent.
   */
  END_CAUSE_UNSPECIFIED: 'END_CAUSE_UNSPECIFIED',
  /**
   * Its first process ended by itself.
   */
  END_CAUSE_EXIT: 'END_CAUSE_EXIT',
  /**
   * It could not be started although it was permitted.
   */
  END_CAUSE_START_FAILED: 'END_CAUSE_START_FAILED',
  /**
   * Terminate was called.
   */
  END_CAUSE_TERMINATED: 'END_CAUSE_TERMINATED',
  /**
   * The caller cancelled Execute or disconnected.
   */
  END_CAUSE_CALLER_GONE: 'END_CAUSE_CALLER_GONE',
  /**
   * The host's evidence became too old.
   */
  END_CAUSE_ATTESTATION_STALE: 'END_CAUSE_ATTESTATION_STALE',
  /**
   * An appraisal of the host failed.
   */
  END_CAUSE_ATTESTATION_FAILED: 'END_CAUSE_ATTESTATION_FAILED',
  /**
   * The artifact, its key, the program or the execution was revoked.
   */
  END_CAUSE_REVOKED: 'END_CAUSE_REVOKED',
  /**
   * The artifact's validity ended.
   */
  END_CAUSE_EXPIRED: 'END_CAUSE_EXPIRED',
  /**
   * A limit was reached.
   */
  END_CAUSE_LIMIT: 'END_CAUSE_LIMIT',
  /**
   * The parent execution ended.
   */
  END_CAUSE_PARENT_ENDED: 'END_CAUSE_PARENT_ENDED',
  /**
   * The daemon stopped.
   */
  END_CAUSE_SHUTDOWN: 'END_CAUSE_SHUTDOWN',
  /**
   * The daemon or the launcher was lost, and the lease ran out.
   */
  END_CAUSE_LEASE_LAPSED: 'END_CAUSE_LEASE_LAPSED',
  /**
   * Its authorization was looked at again, because policy or trust roots had changed or it was frozen, and does not hold any more; or an earlier run of
   * the daemon left it, and it is not what was permitted.
   */
  END_CAUSE_DENIED: 'END_CAUSE_DENIED',
} as const;

/**
 * Why an execution ended.
 */
export type EndCauseInput =
  /**
   * Never sent.
   */
  | 'END_CAUSE_UNSPECIFIED'
  | 0
  /**
   * Its first process ended by itself.
   */
  | 'END_CAUSE_EXIT'
  | 1
  /**
   * It could not be started although it was permitted.
   */
  | 'END_CAUSE_START_FAILED'
  | 2
  /**
   * Terminate was called.
   */
  | 'END_CAUSE_TERMINATED'
  | 3
  /**
   * The caller cancelled Execute or disconnected.
   */
  | 'END_CAUSE_CALLER_GONE'
  | 4
  /**
   * The host's evidence became too old.
   */
  | 'END_CAUSE_ATTESTATION_STALE'
  | 5
  /**
   * An appraisal of the host failed.
   */
  | 'END_CAUSE_ATTESTATION_FAILED'
  | 6
  /**
   * The artifact, its key, the program or the execution was revoked.
   */
  | 'END_CAUSE_REVOKED'
  | 7
  /**
   * The artifact's validity ended.
   */
  | 'END_CAUSE_EXPIRED'
  | 8
  /**
   * A limit was reached.
   */
  | 'END_CAUSE_LIMIT'
  | 9
  /**
   * The parent execution ended.
   */
  | 'END_CAUSE_PARENT_ENDED'
  | 10
  /**
   * The daemon stopped.
   */
  | 'END_CAUSE_SHUTDOWN'
  | 11
  /**
   * The daemon or the launcher was lost, and the lease ran out.
   */
  | 'END_CAUSE_LEASE_LAPSED'
  | 12
  /**
   * Its authorization was looked at again, because policy or trust roots had changed or it was frozen, and does not hold any more; or an earlier run of
   * the daemon left it, and it is not what was permitted.
   */
  | 'END_CAUSE_DENIED'
  | 13

/**
 * Why an execution ended.
 */
export type EndCause = typeof EndCause[keyof typeof EndCause]
