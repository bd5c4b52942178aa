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
   * An empty network namespace: not even a loopback device.
   */
  NETWORK_NONE: 'NETWORK_NONE',
  /**
   * The host's network.
   */
  NETWORK_HOST: 'NETWORK_HOST',
  /**
   * A network namespace with a loopback device of its own, and nothing else.
   */
  NETWORK_LOOPBACK: 'NETWORK_LOOPBACK',
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
   * An empty network namespace: not even a loopback device.
   */
  | 'NETWORK_NONE'
  | 1
  /**
   * The host's network.
   */
  | 'NETWORK_HOST'
  | 2
  /**
   * A network namespace with a loopback device of its own, and nothing else.
   */
  | 'NETWORK_LOOPBACK'
  | 3

/**
 * Which network a workload sees.
 */
export type Network = typeof Network[keyof typeof Network]
