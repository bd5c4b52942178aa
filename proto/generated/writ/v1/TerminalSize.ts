// Original file: writ/v1/execution.proto


/**
 * Characters that a terminal shows.
 */
export interface TerminalSizeInput {
  /**
   * 1 to 65535.
   */
  'rows'?: (number);
  /**
   * 1 to 65535.
   */
  'columns'?: (number);
}

/**
 * Characters that a terminal shows.
 */
export interface TerminalSize {
  /**
   * 1 to 65535.
   */
  'rows': (number);
  /**
   * 1 to 65535.
   */
  'columns': (number);
}
