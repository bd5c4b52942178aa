// Original file: writ/v1/attestation.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetReportRequestInput as _writ_v1_GetReportRequestInput, GetReportRequest as _writ_v1_GetReportRequest } from '../../writ/v1/GetReportRequest.ts';
import type { GetReportResponseInput as _writ_v1_GetReportResponseInput, GetReportResponse as _writ_v1_GetReportResponse } from '../../writ/v1/GetReportResponse.ts';
import type { GetStatusRequestInput as _writ_v1_GetStatusRequestInput, GetStatusRequest as _writ_v1_GetStatusRequest } from '../../writ/v1/GetStatusRequest.ts';
import type { GetStatusResponseInput as _writ_v1_GetStatusResponseInput, GetStatusResponse as _writ_v1_GetStatusResponse } from '../../writ/v1/GetStatusResponse.ts';
import type { WatchStatusRequestInput as _writ_v1_WatchStatusRequestInput, WatchStatusRequest as _writ_v1_WatchStatusRequest } from '../../writ/v1/WatchStatusRequest.ts';
import type { WatchStatusResponseInput as _writ_v1_WatchStatusResponseInput, WatchStatusResponse as _writ_v1_WatchStatusResponse } from '../../writ/v1/WatchStatusResponse.ts';

/**
 * Says whether the host is attested, and proves it.
 */
export interface AttestationServiceClient extends grpc.Client {
  /**
   * A fresh quote over the caller's nonce with all that explains it, as one file (docs/report.md), in pieces. At most one report per uid
   * waits for the TPM. RESOURCE_EXHAUSTED (TOO_LARGE) if the file would have more than 128 MiB: ask for the part that is new.
   */
  GetReport(argument: _writ_v1_GetReportRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReportResponse>;
  GetReport(argument: _writ_v1_GetReportRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReportResponse>;
  /**
   * A fresh quote over the caller's nonce with all that explains it, as one file (docs/report.md), in pieces. At most one report per uid
   * waits for the TPM. RESOURCE_EXHAUSTED (TOO_LARGE) if the file would have more than 128 MiB: ask for the part that is new.
   */
  getReport(argument: _writ_v1_GetReportRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReportResponse>;
  getReport(argument: _writ_v1_GetReportRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReportResponse>;

  /**
   * The trust gate as it is now.
   */
  GetStatus(argument: _writ_v1_GetStatusRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;
  GetStatus(argument: _writ_v1_GetStatusRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;
  GetStatus(argument: _writ_v1_GetStatusRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;
  GetStatus(argument: _writ_v1_GetStatusRequestInput, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;
  /**
   * The trust gate as it is now.
   */
  getStatus(argument: _writ_v1_GetStatusRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;
  getStatus(argument: _writ_v1_GetStatusRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;
  getStatus(argument: _writ_v1_GetStatusRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;
  getStatus(argument: _writ_v1_GetStatusRequestInput, callback: grpc.requestCallback<_writ_v1_GetStatusResponse>): grpc.ClientUnaryCall;

  /**
   * The trust gate as it is now, then again whenever it changes.
   */
  WatchStatus(argument: _writ_v1_WatchStatusRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchStatusResponse>;
  WatchStatus(argument: _writ_v1_WatchStatusRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchStatusResponse>;
  /**
   * The trust gate as it is now, then again whenever it changes.
   */
  watchStatus(argument: _writ_v1_WatchStatusRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchStatusResponse>;
  watchStatus(argument: _writ_v1_WatchStatusRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchStatusResponse>;

}

/**
 * Says whether the host is attested, and proves it.
 */
export interface AttestationServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * A fresh quote over the caller's nonce with all that explains it, as one file (docs/report.md), in pieces. At most one report per uid
   * waits for the TPM. RESOURCE_EXHAUSTED (TOO_LARGE) if the file would have more than 128 MiB: ask for the part that is new.
   */
  GetReport: grpc.handleServerStreamingCall<_writ_v1_GetReportRequest, _writ_v1_GetReportResponseInput>;

  /**
   * The trust gate as it is now.
   */
  GetStatus: grpc.handleUnaryCall<_writ_v1_GetStatusRequest, _writ_v1_GetStatusResponseInput>;

  /**
   * The trust gate as it is now, then again whenever it changes.
   */
  WatchStatus: grpc.handleServerStreamingCall<_writ_v1_WatchStatusRequest, _writ_v1_WatchStatusResponseInput>;

}

export interface AttestationServiceDefinition extends grpc.ServiceDefinition {
  GetReport: MethodDefinition<_writ_v1_GetReportRequestInput, _writ_v1_GetReportResponseInput, _writ_v1_GetReportRequest, _writ_v1_GetReportResponse>
  GetStatus: MethodDefinition<_writ_v1_GetStatusRequestInput, _writ_v1_GetStatusResponseInput, _writ_v1_GetStatusRequest, _writ_v1_GetStatusResponse>
  WatchStatus: MethodDefinition<_writ_v1_WatchStatusRequestInput, _writ_v1_WatchStatusResponseInput, _writ_v1_WatchStatusRequest, _writ_v1_WatchStatusResponse>
}
