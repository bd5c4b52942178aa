// Original file: writ/v1/governance.proto

import type { Long } from '@grpc/proto-loader';

/**
 * The revocations are in force and the kills they ask for have been ordered. A daemon that has just handed over what runs, to be restarted, has nobody to
 * order them from: the next one does it first of all.
 */
export interface RevokeResponseInput {
  /**
   * The revocation epoch from now on.
   */
  'epoch'?: (number | string | Long);
  /**
   * Position in the lineage.
   */
  'lineageIndex'?: (number | string | Long);
  /**
   * Executions that are being ended by it.
   */
  'executionIds'?: (string)[];
}

/**
 * The revocations are in force and the kills they ask for have been ordered. A daemon that has just handed over what runs, to be restarted, has nobody to
 * order them from: the next one does it first of all.
 */
export interface RevokeResponse {
  /**
   * The revocation epoch from now on.
   */
  'epoch': (string);
  /**
   * Position in the lineage.
   */
  'lineageIndex': (string);
  /**
   * Executions that are being ended by it.
   */
  'executionIds': (string)[];
}
