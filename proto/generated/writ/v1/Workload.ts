// Original file: writ/v1/execution.proto

import type { UserInput as _writ_v1_UserInput, User as _writ_v1_User } from '../../writ/v1/User.ts';
import type { StdioInput as _writ_v1_StdioInput, Stdio as _writ_v1_Stdio } from '../../writ/v1/Stdio.ts';
import type { SandboxInput as _writ_v1_SandboxInput, Sandbox as _writ_v1_Sandbox } from '../../writ/v1/Sandbox.ts';
import type { LimitsInput as _writ_v1_LimitsInput, Limits as _writ_v1_Limits } from '../../writ/v1/Limits.ts';

/**
 * What to run. All of it is compared with the artifact's scope; what is absent or empty is as the artifact's scope has it.
 */
export interface WorkloadInput {
  /**
   * Absolute path of the program.
   */
  'program'?: (string);
  /**
   * The whole argument vector, argv[0] included.
   */
  'argv'?: (string)[];
  /**
   * The whole environment; nothing is inherited.
   */
  'env'?: ({[key: string]: string});
  /**
   * Absolute path of the working directory.
   */
  'cwd'?: (string);
  /**
   * Absolute paths of the other files of the closure (interpreter, models, configuration), which must be subjects of
   * the artifact as well.
   */
  'files'?: (string)[];
  /**
   * Who to run as.
   */
  'user'?: (_writ_v1_UserInput | null);
  /**
   * Where its standard streams lead.
   */
  'stdio'?: (_writ_v1_StdioInput | null);
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
  /**
   * Whether it goes on when the call that started it is over. Only where the artifact signs it.
   */
  'detach'?: (boolean);
}

/**
 * What to run. All of it is compared with the artifact's scope; what is absent or empty is as the artifact's scope has it.
 */
export interface Workload {
  /**
   * Absolute path of the program.
   */
  'program': (string);
  /**
   * The whole argument vector, argv[0] included.
   */
  'argv': (string)[];
  /**
   * The whole environment; nothing is inherited.
   */
  'env': ({[key: string]: string});
  /**
   * Absolute path of the working directory.
   */
  'cwd': (string);
  /**
   * Absolute paths of the other files of the closure (interpreter, models, configuration), which must be subjects of
   * the artifact as well.
   */
  'files': (string)[];
  /**
   * Who to run as.
   */
  'user': (_writ_v1_User | null);
  /**
   * Where its standard streams lead.
   */
  'stdio': (_writ_v1_Stdio | null);
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
  /**
   * Whether it goes on when the call that started it is over. Only where the artifact signs it.
   */
  'detach': (boolean);
}
