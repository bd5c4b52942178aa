// Original file: writ/v1/execution.proto

/**
 * Which system calls a workload has.
 */
export const Seccomp = {
  /**
   * As the artifact's scope has it.
   */
  SECCOMP_UNSPECIFIED: 'SECCOMP_UNSPECIFIED',
  /**
   * All but those that no workload needs.
   */
  SECCOMP_DEFAULT: 'SECCOMP_DEFAULT',
  /**
   * A list of those that ordinary programs need, and no others.
   */
  SECCOMP_STRICT: 'SECCOMP_STRICT',
} as const;

/**
 * Which system calls a workload has.
 */
export type SeccompInput =
  /**
   * As the artifact's scope has it.
   */
  | 'SECCOMP_UNSPECIFIED'
  | 0
  /**
   * All but those that no workload needs.
   */
  | 'SECCOMP_DEFAULT'
  | 1
  /**
   * A list of those that ordinary programs need, and no others.
   */
  | 'SECCOMP_STRICT'
  | 2

/**
 * Which system calls a workload has.
 */
export type Seccomp = typeof Seccomp[keyof typeof Seccomp]
