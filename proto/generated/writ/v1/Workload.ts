// Original file: writ/v1/execution.proto

import type { SandboxInput as _writ_v1_SandboxInput, Sandbox as _writ_v1_Sandbox } from '../../writ/v1/Sandbox.ts';
import type { LimitsInput as _writ_v1_LimitsInput, Limits as _writ_v1_Limits } from '../../writ/v1/Limits.ts';

/**
 * What to run. All of it is compared with the artifact's scope; what is absent is as the artifact's scope has it.
 */
export interface WorkloadInput {
  /**
   * Absolute path of the program.
   */
  'program'?: (string);
  /**
   * The whole argument vector, argv[0] included. Empty: the program's path alone.
   */
  'argv'?: (string)[];
  /**
   * The whole environment; nothing is inherited.
   */
  'env'?: ({[key: string]: string});
  /**
   * Absolute path of the working directory. Empty: `/`.
   */
  'cwd'?: (string);
  /**
   * Absolute paths of the other files of the closure (interpreter, models, configuration), which must be subjects of
   * the artifact as well.
   */
  'subjects'?: (string)[];
  /**
   * The user to run as. Absent: a uid of its own from the configured range.
   */
  'uid'?: (number);
  /**
   * The group to run as. Only together with `uid`.
   */
  'gid'?: (number);
  /**
   * Supplementary groups. Only together with `uid`.
   */
  'groups'?: (number)[];
  /**
   * The walls around it.
   */
  'sandbox'?: (_writ_v1_SandboxInput | null);
  /**
   * The most that it may use.
   */
  'limits'?: (_writ_v1_LimitsInput | null);
  /**
   * Whether it gets a socket of its own through which it may ask for children.
   */
  'children'?: (boolean);
  '_uid'?: "uid";
  '_gid'?: "gid";
}

/**
 * What to run. All of it is compared with the artifact's scope; what is absent is as the artifact's scope has it.
 */
export interface Workload {
  /**
   * Absolute path of the program.
   */
  'program': (string);
  /**
   * The whole argument vector, argv[0] included. Empty: the program's path alone.
   */
  'argv': (string)[];
  /**
   * The whole environment; nothing is inherited.
   */
  'env': ({[key: string]: string});
  /**
   * Absolute path of the working directory. Empty: `/`.
   */
  'cwd': (string);
  /**
   * Absolute paths of the other files of the closure (interpreter, models, configuration), which must be subjects of
   * the artifact as well.
   */
  'subjects': (string)[];
  /**
   * The user to run as. Absent: a uid of its own from the configured range.
   */
  'uid'?: (number);
  /**
   * The group to run as. Only together with `uid`.
   */
  'gid'?: (number);
  /**
   * Supplementary groups. Only together with `uid`.
   */
  'groups': (number)[];
  /**
   * The walls around it.
   */
  'sandbox': (_writ_v1_Sandbox | null);
  /**
   * The most that it may use.
   */
  'limits': (_writ_v1_Limits | null);
  /**
   * Whether it gets a socket of its own through which it may ask for children.
   */
  'children': (boolean);
  '_uid'?: "uid";
  '_gid'?: "gid";
}
