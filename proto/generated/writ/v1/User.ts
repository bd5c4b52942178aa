// Original file: writ/v1/execution.proto


/**
 * Who a workload runs as.
 */
export interface UserInput {
  /**
   * The user.
   */
  'uid'?: (number);
  /**
   * The group.
   */
  'gid'?: (number);
  /**
   * Supplementary groups.
   */
  'groups'?: (number)[];
}

/**
 * Who a workload runs as.
 */
export interface User {
  /**
   * The user.
   */
  'uid': (number);
  /**
   * The group.
   */
  'gid': (number);
  /**
   * Supplementary groups.
   */
  'groups': (number)[];
}
