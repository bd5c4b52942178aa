// Original file: writ/v1/execution.proto

/**
 * What a program may be sent. The numbers are those of Linux.
 */
export const Signal = {
  /**
   * Never sent.
   */
  SIGNAL_UNSPECIFIED: 'SIGNAL_UNSPECIFIED',
  /**
   * Its terminal or caller has gone, or it is to read its configuration again.
   */
  SIGNAL_HUP: 'SIGNAL_HUP',
  /**
   * Ctrl-C.
   */
  SIGNAL_INT: 'SIGNAL_INT',
  /**
   * Ctrl-backslash.
   */
  SIGNAL_QUIT: 'SIGNAL_QUIT',
  /**
   * The program's own.
   */
  SIGNAL_USR1: 'SIGNAL_USR1',
  /**
   * The program's own.
   */
  SIGNAL_USR2: 'SIGNAL_USR2',
  /**
   * A timer.
   */
  SIGNAL_ALRM: 'SIGNAL_ALRM',
  /**
   * It is to end.
   */
  SIGNAL_TERM: 'SIGNAL_TERM',
  /**
   * It is to go on.
   */
  SIGNAL_CONT: 'SIGNAL_CONT',
  /**
   * Its terminal has another size.
   */
  SIGNAL_WINCH: 'SIGNAL_WINCH',
} as const;

/**
 * What a program may be sent. The numbers are those of Linux.
 */
export type SignalInput =
  /**
   * Never sent.
   */
  | 'SIGNAL_UNSPECIFIED'
  | 0
  /**
   * Its terminal or caller has gone, or it is to read its configuration again.
   */
  | 'SIGNAL_HUP'
  | 1
  /**
   * Ctrl-C.
   */
  | 'SIGNAL_INT'
  | 2
  /**
   * Ctrl-backslash.
   */
  | 'SIGNAL_QUIT'
  | 3
  /**
   * The program's own.
   */
  | 'SIGNAL_USR1'
  | 10
  /**
   * The program's own.
   */
  | 'SIGNAL_USR2'
  | 12
  /**
   * A timer.
   */
  | 'SIGNAL_ALRM'
  | 14
  /**
   * It is to end.
   */
  | 'SIGNAL_TERM'
  | 15
  /**
   * It is to go on.
   */
  | 'SIGNAL_CONT'
  | 18
  /**
   * Its terminal has another size.
   */
  | 'SIGNAL_WINCH'
  | 28

/**
 * What a program may be sent. The numbers are those of Linux.
 */
export type Signal = typeof Signal[keyof typeof Signal]
