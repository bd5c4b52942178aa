// Original file: writ/v1/execution.proto

/**
 * An output stream of a workload.
 */
export const OutputStream = {
  /**
   * Never sent.
   */
  OUTPUT_STREAM_UNSPECIFIED: 'OUTPUT_STREAM_UNSPECIFIED',
  /**
   * Standard output.
   */
  OUTPUT_STREAM_STDOUT: 'OUTPUT_STREAM_STDOUT',
  /**
   * Standard error.
   */
  OUTPUT_STREAM_STDERR: 'OUTPUT_STREAM_STDERR',
} as const;

/**
 * An output stream of a workload.
 */
export type OutputStreamInput =
  /**
   * Never sent.
   */
  | 'OUTPUT_STREAM_UNSPECIFIED'
  | 0
  /**
   * Standard output.
   */
  | 'OUTPUT_STREAM_STDOUT'
  | 1
  /**
   * Standard error.
   */
  | 'OUTPUT_STREAM_STDERR'
  | 2

/**
 * An output stream of a workload.
 */
export type OutputStream = typeof OutputStream[keyof typeof OutputStream]
