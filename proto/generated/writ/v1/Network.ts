// Original file: writ/v1/execution.proto

/**
 * Which network a workload sees.
 */
export const Network = {
  /**
   * As the artifact's scope has it.
   */
  NETWORK_UNSPECIFIED: 'NETWORK_UNSPECIFIED',
  /**
   * An empty network namespace.
   */
  NETWORK_NONE: 'NETWORK_NONE',
  /**
   * The host's network.
   */
  NETWORK_HOST: 'NETWORK_HOST',
} as const;

/**
 * Which network a workload sees.
 */
export type NetworkInput =
  /**
   * As the artifact's scope has it.
   */
  | 'NETWORK_UNSPECIFIED'
  | 0
  /**
   * An empty network namespace.
   */
  | 'NETWORK_NONE'
  | 1
  /**
   * The host's network.
   */
  | 'NETWORK_HOST'
  | 2

/**
 * Which network a workload sees.
 */
export type Network = typeof Network[keyof typeof Network]
