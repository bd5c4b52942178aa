// Original file: writ/v1/execution.proto

import type { NetworkInput as _writ_v1_NetworkInput, Network as _writ_v1_Network } from '../../writ/v1/Network.ts';
import type { SeccompInput as _writ_v1_SeccompInput, Seccomp as _writ_v1_Seccomp } from '../../writ/v1/Seccomp.ts';

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
   * Names of classes of devices that it may open, as the host's launchd.conf has them.
   */
  'devices'?: (string)[];
  /**
   * Which system calls it has.
   */
  'seccomp'?: (_writ_v1_SeccompInput);
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
   * Names of classes of devices that it may open, as the host's launchd.conf has them.
   */
  'devices': (string)[];
  /**
   * Which system calls it has.
   */
  'seccomp': (_writ_v1_Seccomp);
}
