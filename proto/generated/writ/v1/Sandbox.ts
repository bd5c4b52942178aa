// Original file: writ/v1/execution.proto

import type { NetworkInput as _writ_v1_NetworkInput, Network as _writ_v1_Network } from '../../writ/v1/Network.ts';

/**
 * The walls around a workload.
 */
export interface SandboxInput {
  /**
   * Which network it sees.
   */
  'network'?: (_writ_v1_NetworkInput);
  /**
   * Absolute paths that it may write below.
   */
  'writable'?: (string)[];
  /**
   * Absolute paths of device nodes that it may open.
   */
  'devices'?: (string)[];
}

/**
 * The walls around a workload.
 */
export interface Sandbox {
  /**
   * Which network it sees.
   */
  'network': (_writ_v1_Network);
  /**
   * Absolute paths that it may write below.
   */
  'writable': (string)[];
  /**
   * Absolute paths of device nodes that it may open.
   */
  'devices': (string)[];
}
