// Original file: writ/v1/attestation.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Which configuration is in force, and what became of the last attempt to change it (SIGHUP).
 */
export interface ConfigurationStatusInput {
  /**
   * SHA-256 of the configuration with every default filled in, as canonical JSON; names the blob that has it. The same file gives the
   * same digest with `writ config show`.
   */
  'digest'?: (string);
  /**
   * Since when it is in force.
   */
  'inForceTime'?: (string);
  /**
   * Position in the lineage of the entry that says so.
   */
  'lineageIndex'?: (number | string | Long);
  /**
   * Keys (`section.key`) that had another value in the file when it was last read, which is in force after a restart.
   */
  'waiting'?: (string)[];
  /**
   * When the file was last read again; empty if it was not since the start.
   */
  'reloadTime'?: (string);
  /**
   * Why that changed nothing: a code, then key and line where there are any. Empty if it went well. The daemon's log says more.
   */
  'refusal'?: (string);
}

/**
 * Which configuration is in force, and what became of the last attempt to change it (SIGHUP).
 */
export interface ConfigurationStatus {
  /**
   * SHA-256 of the configuration with every default filled in, as canonical JSON; names the blob that has it. The same file gives the
   * same digest with `writ config show`.
   */
  'digest': (string);
  /**
   * Since when it is in force.
   */
  'inForceTime': (string);
  /**
   * Position in the lineage of the entry that says so.
   */
  'lineageIndex': (string);
  /**
   * Keys (`section.key`) that had another value in the file when it was last read, which is in force after a restart.
   */
  'waiting': (string)[];
  /**
   * When the file was last read again; empty if it was not since the start.
   */
  'reloadTime': (string);
  /**
   * Why that changed nothing: a code, then key and line where there are any. Empty if it went well. The daemon's log says more.
   */
  'refusal': (string);
}
