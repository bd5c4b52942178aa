// Original file: writ/v1/execution.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The most that a workload may use. Absent: as the artifact's scope has it.
 */
export interface LimitsInput {
  /**
   * Processor time of all its processes, in seconds.
   */
  'cpuSeconds'?: (number | string | Long);
  /**
   * Memory of all its processes, in bytes.
   */
  'memoryBytes'?: (number | string | Long);
  /**
   * Processes and threads at one time.
   */
  'pids'?: (number);
  /**
   * Open files per process.
   */
  'openFiles'?: (number);
  /**
   * Time from start to end, in milliseconds.
   */
  'runTimeMs'?: (number | string | Long);
  /**
   * Bytes of standard output and standard error together.
   */
  'outputBytes'?: (number | string | Long);
  /**
   * Share of processor time of all its processes, in percent of one processor.
   */
  'cpuPercent'?: (number);
  /**
   * Bytes of each file that it writes.
   */
  'fileBytes'?: (number | string | Long);
  '_cpuSeconds'?: "cpuSeconds";
  '_memoryBytes'?: "memoryBytes";
  '_pids'?: "pids";
  '_openFiles'?: "openFiles";
  '_runTimeMs'?: "runTimeMs";
  '_outputBytes'?: "outputBytes";
  '_cpuPercent'?: "cpuPercent";
  '_fileBytes'?: "fileBytes";
}

/**
 * The most that a workload may use. Absent: as the artifact's scope has it.
 */
export interface Limits {
  /**
   * Processor time of all its processes, in seconds.
   */
  'cpuSeconds'?: (string);
  /**
   * Memory of all its processes, in bytes.
   */
  'memoryBytes'?: (string);
  /**
   * Processes and threads at one time.
   */
  'pids'?: (number);
  /**
   * Open files per process.
   */
  'openFiles'?: (number);
  /**
   * Time from start to end, in milliseconds.
   */
  'runTimeMs'?: (string);
  /**
   * Bytes of standard output and standard error together.
   */
  'outputBytes'?: (string);
  /**
   * Share of processor time of all its processes, in percent of one processor.
   */
  'cpuPercent'?: (number);
  /**
   * Bytes of each file that it writes.
   */
  'fileBytes'?: (string);
  '_cpuSeconds'?: "cpuSeconds";
  '_memoryBytes'?: "memoryBytes";
  '_pids'?: "pids";
  '_openFiles'?: "openFiles";
  '_runTimeMs'?: "runTimeMs";
  '_outputBytes'?: "outputBytes";
  '_cpuPercent'?: "cpuPercent";
  '_fileBytes'?: "fileBytes";
}
