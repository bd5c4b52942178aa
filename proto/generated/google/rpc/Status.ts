// Original file: google/rpc/status.proto

import type { AnyInput as _google_protobuf_AnyInput, Any as _google_protobuf_Any } from '../../google/protobuf/Any.ts';

/**
 * One error with its structured details.
 */
export interface StatusInput {
  /**
   * A google.rpc.Code; the same number as in `grpc-status`.
   */
  'code'?: (number);
  /**
   * For a developer, in English; the same text as in `grpc-message`.
   */
  'message'?: (string);
  /**
   * Messages that say more; Writ puts one `writ.v1.Denial` or one `writ.v1.Fault` here.
   */
  'details'?: (_google_protobuf_AnyInput)[];
}

/**
 * One error with its structured details.
 */
export interface Status {
  /**
   * A google.rpc.Code; the same number as in `grpc-status`.
   */
  'code': (number);
  /**
   * For a developer, in English; the same text as in `grpc-message`.
   */
  'message': (string);
  /**
   * Messages that say more; Writ puts one `writ.v1.Denial` or one `writ.v1.Fault` here.
   */
  'details': (_google_protobuf_Any)[];
}
