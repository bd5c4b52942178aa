// Original file: writ/v1/execution.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AttachRequestInput as _writ_v1_AttachRequestInput, AttachRequest as _writ_v1_AttachRequest } from '../../writ/v1/AttachRequest.ts';
import type { AuthorizeRequestInput as _writ_v1_AuthorizeRequestInput, AuthorizeRequest as _writ_v1_AuthorizeRequest } from '../../writ/v1/AuthorizeRequest.ts';
import type { AuthorizeResponseInput as _writ_v1_AuthorizeResponseInput, AuthorizeResponse as _writ_v1_AuthorizeResponse } from '../../writ/v1/AuthorizeResponse.ts';
import type { CloseOutputRequestInput as _writ_v1_CloseOutputRequestInput, CloseOutputRequest as _writ_v1_CloseOutputRequest } from '../../writ/v1/CloseOutputRequest.ts';
import type { CloseOutputResponseInput as _writ_v1_CloseOutputResponseInput, CloseOutputResponse as _writ_v1_CloseOutputResponse } from '../../writ/v1/CloseOutputResponse.ts';
import type { ExecuteRequestInput as _writ_v1_ExecuteRequestInput, ExecuteRequest as _writ_v1_ExecuteRequest } from '../../writ/v1/ExecuteRequest.ts';
import type { ExecuteResponseInput as _writ_v1_ExecuteResponseInput, ExecuteResponse as _writ_v1_ExecuteResponse } from '../../writ/v1/ExecuteResponse.ts';
import type { GetReceiptRequestInput as _writ_v1_GetReceiptRequestInput, GetReceiptRequest as _writ_v1_GetReceiptRequest } from '../../writ/v1/GetReceiptRequest.ts';
import type { GetReceiptResponseInput as _writ_v1_GetReceiptResponseInput, GetReceiptResponse as _writ_v1_GetReceiptResponse } from '../../writ/v1/GetReceiptResponse.ts';
import type { GetRequestInput as _writ_v1_GetRequestInput, GetRequest as _writ_v1_GetRequest } from '../../writ/v1/GetRequest.ts';
import type { GetResponseInput as _writ_v1_GetResponseInput, GetResponse as _writ_v1_GetResponse } from '../../writ/v1/GetResponse.ts';
import type { ListRequestInput as _writ_v1_ListRequestInput, ListRequest as _writ_v1_ListRequest } from '../../writ/v1/ListRequest.ts';
import type { ListResponseInput as _writ_v1_ListResponseInput, ListResponse as _writ_v1_ListResponse } from '../../writ/v1/ListResponse.ts';
import type { ReadOutputRequestInput as _writ_v1_ReadOutputRequestInput, ReadOutputRequest as _writ_v1_ReadOutputRequest } from '../../writ/v1/ReadOutputRequest.ts';
import type { ReadOutputResponseInput as _writ_v1_ReadOutputResponseInput, ReadOutputResponse as _writ_v1_ReadOutputResponse } from '../../writ/v1/ReadOutputResponse.ts';
import type { ResizeRequestInput as _writ_v1_ResizeRequestInput, ResizeRequest as _writ_v1_ResizeRequest } from '../../writ/v1/ResizeRequest.ts';
import type { ResizeResponseInput as _writ_v1_ResizeResponseInput, ResizeResponse as _writ_v1_ResizeResponse } from '../../writ/v1/ResizeResponse.ts';
import type { SignalRequestInput as _writ_v1_SignalRequestInput, SignalRequest as _writ_v1_SignalRequest } from '../../writ/v1/SignalRequest.ts';
import type { SignalResponseInput as _writ_v1_SignalResponseInput, SignalResponse as _writ_v1_SignalResponse } from '../../writ/v1/SignalResponse.ts';
import type { TerminateRequestInput as _writ_v1_TerminateRequestInput, TerminateRequest as _writ_v1_TerminateRequest } from '../../writ/v1/TerminateRequest.ts';
import type { TerminateResponseInput as _writ_v1_TerminateResponseInput, TerminateResponse as _writ_v1_TerminateResponse } from '../../writ/v1/TerminateResponse.ts';
import type { WatchRequestInput as _writ_v1_WatchRequestInput, WatchRequest as _writ_v1_WatchRequest } from '../../writ/v1/WatchRequest.ts';
import type { WatchResponseInput as _writ_v1_WatchResponseInput, WatchResponse as _writ_v1_WatchResponse } from '../../writ/v1/WatchResponse.ts';

/**
 * Runs workloads under signed authorization artifacts. A caller sees and ends its own executions; an auditor sees all.
 *
 * Times are RFC 3339 in UTC with milliseconds (`2026-11-21T02:00:00.000Z`). Digests are SHA-256 in lower-case hexadecimal.
 * The caller is who the kernel says is connected; no field can say otherwise.
 */
export interface ExecutionServiceClient extends grpc.Client {
  /**
   * Goes on with an execution whose Execute, or Attach, ended with `handed_over`. The first request is `start`, all later ones are `stdin`. Only
   * for the uid that started it, with the token that `started` gave, and for one caller at a time. Waits until the daemon has adopted the
   * execution, which it does once the host is attested anew. The first response is `attached`, the rest is as of Execute; of what has ended
   * before, the rest of its output, if there is any, and `ended`. Cancelling the call ends the execution. Who does not attach within 30 seconds
   * after the adoption is gone: CALLER_GONE.
   *
   * NOT_FOUND: there is none, or it is another uid's. PERMISSION_DENIED (TOKEN_WRONG). FAILED_PRECONDITION (ATTACHED: somebody is; NOT_ATTACHABLE:
   * it is detached). UNAVAILABLE (STARTING): the daemon does not know yet what it takes over; ask again.
   */
  Attach(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_AttachRequestInput, _writ_v1_ExecuteResponse>;
  Attach(options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_AttachRequestInput, _writ_v1_ExecuteResponse>;
  /**
   * Goes on with an execution whose Execute, or Attach, ended with `handed_over`. The first request is `start`, all later ones are `stdin`. Only
   * for the uid that started it, with the token that `started` gave, and for one caller at a time. Waits until the daemon has adopted the
   * execution, which it does once the host is attested anew. The first response is `attached`, the rest is as of Execute; of what has ended
   * before, the rest of its output, if there is any, and `ended`. Cancelling the call ends the execution. Who does not attach within 30 seconds
   * after the adoption is gone: CALLER_GONE.
   *
   * NOT_FOUND: there is none, or it is another uid's. PERMISSION_DENIED (TOKEN_WRONG). FAILED_PRECONDITION (ATTACHED: somebody is; NOT_ATTACHABLE:
   * it is detached). UNAVAILABLE (STARTING): the daemon does not know yet what it takes over; ask again.
   */
  attach(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_AttachRequestInput, _writ_v1_ExecuteResponse>;
  attach(options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_AttachRequestInput, _writ_v1_ExecuteResponse>;

  /**
   * With an artifact: says whether Execute would be permitted now, and consumes nothing. Without one: asks the daemon to
   * make a single-use artifact for exactly this workload, after policy; denied unless the configuration allows minting.
   */
  Authorize(argument: _writ_v1_AuthorizeRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;
  Authorize(argument: _writ_v1_AuthorizeRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;
  Authorize(argument: _writ_v1_AuthorizeRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;
  Authorize(argument: _writ_v1_AuthorizeRequestInput, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;
  /**
   * With an artifact: says whether Execute would be permitted now, and consumes nothing. Without one: asks the daemon to
   * make a single-use artifact for exactly this workload, after policy; denied unless the configuration allows minting.
   */
  authorize(argument: _writ_v1_AuthorizeRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;
  authorize(argument: _writ_v1_AuthorizeRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;
  authorize(argument: _writ_v1_AuthorizeRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;
  authorize(argument: _writ_v1_AuthorizeRequestInput, callback: grpc.requestCallback<_writ_v1_AuthorizeResponse>): grpc.ClientUnaryCall;

  /**
   * Closes the reader's end of a workload's standard output or error: what it writes from then on fails with EPIPE, and ends it
   * unless it ignores SIGPIPE, like a program in a pipeline whose reader has gone. Of a terminal it closes nothing.
   */
  CloseOutput(argument: _writ_v1_CloseOutputRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;
  CloseOutput(argument: _writ_v1_CloseOutputRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;
  CloseOutput(argument: _writ_v1_CloseOutputRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;
  CloseOutput(argument: _writ_v1_CloseOutputRequestInput, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;
  /**
   * Closes the reader's end of a workload's standard output or error: what it writes from then on fails with EPIPE, and ends it
   * unless it ignores SIGPIPE, like a program in a pipeline whose reader has gone. Of a terminal it closes nothing.
   */
  closeOutput(argument: _writ_v1_CloseOutputRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;
  closeOutput(argument: _writ_v1_CloseOutputRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;
  closeOutput(argument: _writ_v1_CloseOutputRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;
  closeOutput(argument: _writ_v1_CloseOutputRequestInput, callback: grpc.requestCallback<_writ_v1_CloseOutputResponse>): grpc.ClientUnaryCall;

  /**
   * Decides on one workload and runs it. The first request is `start`, all later ones are `stdin`; the end of the
   * request stream is the end of standard input. The first response is `started`, the last is `ended`; what was permitted
   * and could not be started has `ended` alone, with what kept it from that: START_FAILED, or what ended it before. A denial
   * is an error with `Denial` as its detail. Cancelling the call ends the execution.
   *
   * A workload that is detached is not tied to the call: the stream of answers ends after `started`, the execution goes on until it ends by
   * itself or is ended. Its input is empty, its output is kept in files of the daemon (ReadOutput).
   *
   * When the daemon is restarted on purpose the last response is `handed_over` instead: the workload goes on, and Attach has the rest.
   */
  Execute(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_ExecuteRequestInput, _writ_v1_ExecuteResponse>;
  Execute(options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_ExecuteRequestInput, _writ_v1_ExecuteResponse>;
  /**
   * Decides on one workload and runs it. The first request is `start`, all later ones are `stdin`; the end of the
   * request stream is the end of standard input. The first response is `started`, the last is `ended`; what was permitted
   * and could not be started has `ended` alone, with what kept it from that: START_FAILED, or what ended it before. A denial
   * is an error with `Denial` as its detail. Cancelling the call ends the execution.
   *
   * A workload that is detached is not tied to the call: the stream of answers ends after `started`, the execution goes on until it ends by
   * itself or is ended. Its input is empty, its output is kept in files of the daemon (ReadOutput).
   *
   * When the daemon is restarted on purpose the last response is `handed_over` instead: the workload goes on, and Attach has the rest.
   */
  execute(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_ExecuteRequestInput, _writ_v1_ExecuteResponse>;
  execute(options?: grpc.CallOptions): grpc.ClientDuplexStream<_writ_v1_ExecuteRequestInput, _writ_v1_ExecuteResponse>;

  /**
   * One execution.
   */
  Get(argument: _writ_v1_GetRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;
  Get(argument: _writ_v1_GetRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;
  Get(argument: _writ_v1_GetRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;
  Get(argument: _writ_v1_GetRequestInput, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;
  /**
   * One execution.
   */
  get(argument: _writ_v1_GetRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;
  get(argument: _writ_v1_GetRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;
  get(argument: _writ_v1_GetRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;
  get(argument: _writ_v1_GetRequestInput, callback: grpc.requestCallback<_writ_v1_GetResponse>): grpc.ClientUnaryCall;

  /**
   * The receipt of an execution that has ended: one file that proves what ran, for whom, under which artifact and policy, on which host, and how it
   * ended, to somebody who has never seen the host (docs/receipt.md). Waits for a checkpoint that covers the end. That of an auditor carries
   * policy, trust roots and revocations too, so that the decision can be made again from it. FAILED_PRECONDITION (NOT_ENDED, NOT_STARTED,
   * ENTRY_MISSING where the daemon does not remember the execution and `decision_index` is not given).
   */
  GetReceipt(argument: _writ_v1_GetReceiptRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReceiptResponse>;
  GetReceipt(argument: _writ_v1_GetReceiptRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReceiptResponse>;
  /**
   * The receipt of an execution that has ended: one file that proves what ran, for whom, under which artifact and policy, on which host, and how it
   * ended, to somebody who has never seen the host (docs/receipt.md). Waits for a checkpoint that covers the end. That of an auditor carries
   * policy, trust roots and revocations too, so that the decision can be made again from it. FAILED_PRECONDITION (NOT_ENDED, NOT_STARTED,
   * ENTRY_MISSING where the daemon does not remember the execution and `decision_index` is not given).
   */
  getReceipt(argument: _writ_v1_GetReceiptRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReceiptResponse>;
  getReceipt(argument: _writ_v1_GetReceiptRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetReceiptResponse>;

  /**
   * The executions that the caller may see, newest first.
   */
  List(argument: _writ_v1_ListRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _writ_v1_ListRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _writ_v1_ListRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _writ_v1_ListRequestInput, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;
  /**
   * The executions that the caller may see, newest first.
   */
  list(argument: _writ_v1_ListRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _writ_v1_ListRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _writ_v1_ListRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _writ_v1_ListRequestInput, callback: grpc.requestCallback<_writ_v1_ListResponse>): grpc.ClientUnaryCall;

  /**
   * The newest output of an execution, as far as the daemon has kept it: of one that runs, and of one that has ended recently. That of a
   * detached execution is kept in files, and outlasts the daemon.
   * Reading never holds the execution or its caller back; who reads too slowly misses output, and is told how much. FAILED_PRECONDITION
   * (OUTPUT_NOT_KEPT) where the configuration keeps none.
   */
  ReadOutput(argument: _writ_v1_ReadOutputRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadOutputResponse>;
  ReadOutput(argument: _writ_v1_ReadOutputRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadOutputResponse>;
  /**
   * The newest output of an execution, as far as the daemon has kept it: of one that runs, and of one that has ended recently. That of a
   * detached execution is kept in files, and outlasts the daemon.
   * Reading never holds the execution or its caller back; who reads too slowly misses output, and is told how much. FAILED_PRECONDITION
   * (OUTPUT_NOT_KEPT) where the configuration keeps none.
   */
  readOutput(argument: _writ_v1_ReadOutputRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadOutputResponse>;
  readOutput(argument: _writ_v1_ReadOutputRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadOutputResponse>;

  /**
   * Sets the size of an execution's terminal; its foreground processes get SIGWINCH. FAILED_PRECONDITION (NOT_RUNNING, NO_TERMINAL).
   */
  Resize(argument: _writ_v1_ResizeRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;
  Resize(argument: _writ_v1_ResizeRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;
  Resize(argument: _writ_v1_ResizeRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;
  Resize(argument: _writ_v1_ResizeRequestInput, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;
  /**
   * Sets the size of an execution's terminal; its foreground processes get SIGWINCH. FAILED_PRECONDITION (NOT_RUNNING, NO_TERMINAL).
   */
  resize(argument: _writ_v1_ResizeRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;
  resize(argument: _writ_v1_ResizeRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;
  resize(argument: _writ_v1_ResizeRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;
  resize(argument: _writ_v1_ResizeRequestInput, callback: grpc.requestCallback<_writ_v1_ResizeResponse>): grpc.ClientUnaryCall;

  /**
   * Sends a signal to the first process of an execution that runs, as kill(2) would: what the program does with it is its own. A terminal's
   * keys (Ctrl-C) are bytes of its input instead. FAILED_PRECONDITION (NOT_RUNNING) before its start and after its end.
   */
  Signal(argument: _writ_v1_SignalRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;
  Signal(argument: _writ_v1_SignalRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;
  Signal(argument: _writ_v1_SignalRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;
  Signal(argument: _writ_v1_SignalRequestInput, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;
  /**
   * Sends a signal to the first process of an execution that runs, as kill(2) would: what the program does with it is its own. A terminal's
   * keys (Ctrl-C) are bytes of its input instead. FAILED_PRECONDITION (NOT_RUNNING) before its start and after its end.
   */
  signal(argument: _writ_v1_SignalRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;
  signal(argument: _writ_v1_SignalRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;
  signal(argument: _writ_v1_SignalRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;
  signal(argument: _writ_v1_SignalRequestInput, callback: grpc.requestCallback<_writ_v1_SignalResponse>): grpc.ClientUnaryCall;

  /**
   * Ends an execution and all its processes and children.
   */
  Terminate(argument: _writ_v1_TerminateRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;
  Terminate(argument: _writ_v1_TerminateRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;
  Terminate(argument: _writ_v1_TerminateRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;
  Terminate(argument: _writ_v1_TerminateRequestInput, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;
  /**
   * Ends an execution and all its processes and children.
   */
  terminate(argument: _writ_v1_TerminateRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;
  terminate(argument: _writ_v1_TerminateRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;
  terminate(argument: _writ_v1_TerminateRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;
  terminate(argument: _writ_v1_TerminateRequestInput, callback: grpc.requestCallback<_writ_v1_TerminateResponse>): grpc.ClientUnaryCall;

  /**
   * The executions that the caller may see as they are now, then each one again whenever its state changes.
   */
  Watch(argument: _writ_v1_WatchRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchResponse>;
  Watch(argument: _writ_v1_WatchRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchResponse>;
  /**
   * The executions that the caller may see as they are now, then each one again whenever its state changes.
   */
  watch(argument: _writ_v1_WatchRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchResponse>;
  watch(argument: _writ_v1_WatchRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_WatchResponse>;

}

/**
 * Runs workloads under signed authorization artifacts. A caller sees and ends its own executions; an auditor sees all.
 *
 * Times are RFC 3339 in UTC with milliseconds (`2026-11-21T02:00:00.000Z`). Digests are SHA-256 in lower-case hexadecimal.
 * The caller is who the kernel says is connected; no field can say otherwise.
 */
export interface ExecutionServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Goes on with an execution whose Execute, or Attach, ended with `handed_over`. The first request is `start`, all later ones are `stdin`. Only
   * for the uid that started it, with the token that `started` gave, and for one caller at a time. Waits until the daemon has adopted the
   * execution, which it does once the host is attested anew. The first response is `attached`, the rest is as of Execute; of what has ended
   * before, the rest of its output, if there is any, and `ended`. Cancelling the call ends the execution. Who does not attach within 30 seconds
   * after the adoption is gone: CALLER_GONE.
   *
   * NOT_FOUND: there is none, or it is another uid's. PERMISSION_DENIED (TOKEN_WRONG). FAILED_PRECONDITION (ATTACHED: somebody is; NOT_ATTACHABLE:
   * it is detached). UNAVAILABLE (STARTING): the daemon does not know yet what it takes over; ask again.
   */
  Attach: grpc.handleBidiStreamingCall<_writ_v1_AttachRequest, _writ_v1_ExecuteResponseInput>;

  /**
   * With an artifact: says whether Execute would be permitted now, and consumes nothing. Without one: asks the daemon to
   * make a single-use artifact for exactly this workload, after policy; denied unless the configuration allows minting.
   */
  Authorize: grpc.handleUnaryCall<_writ_v1_AuthorizeRequest, _writ_v1_AuthorizeResponseInput>;

  /**
   * Closes the reader's end of a workload's standard output or error: what it writes from then on fails with EPIPE, and ends it
   * unless it ignores SIGPIPE, like a program in a pipeline whose reader has gone. Of a terminal it closes nothing.
   */
  CloseOutput: grpc.handleUnaryCall<_writ_v1_CloseOutputRequest, _writ_v1_CloseOutputResponseInput>;

  /**
   * Decides on one workload and runs it. The first request is `start`, all later ones are `stdin`; the end of the
   * request stream is the end of standard input. The first response is `started`, the last is `ended`; what was permitted
   * and could not be started has `ended` alone, with what kept it from that: START_FAILED, or what ended it before. A denial
   * is an error with `Denial` as its detail. Cancelling the call ends the execution.
   *
   * A workload that is detached is not tied to the call: the stream of answers ends after `started`, the execution goes on until it ends by
   * itself or is ended. Its input is empty, its output is kept in files of the daemon (ReadOutput).
   *
   * When the daemon is restarted on purpose the last response is `handed_over` instead: the workload goes on, and Attach has the rest.
   */
  Execute: grpc.handleBidiStreamingCall<_writ_v1_ExecuteRequest, _writ_v1_ExecuteResponseInput>;

  /**
   * One execution.
   */
  Get: grpc.handleUnaryCall<_writ_v1_GetRequest, _writ_v1_GetResponseInput>;

  /**
   * The receipt of an execution that has ended: one file that proves what ran, for whom, under which artifact and policy, on which host, and how it
   * ended, to somebody who has never seen the host (docs/receipt.md). Waits for a checkpoint that covers the end. That of an auditor carries
   * policy, trust roots and revocations too, so that the decision can be made again from it. FAILED_PRECONDITION (NOT_ENDED, NOT_STARTED,
   * ENTRY_MISSING where the daemon does not remember the execution and `decision_index` is not given).
   */
  GetReceipt: grpc.handleServerStreamingCall<_writ_v1_GetReceiptRequest, _writ_v1_GetReceiptResponseInput>;

  /**
   * The executions that the caller may see, newest first.
   */
  List: grpc.handleUnaryCall<_writ_v1_ListRequest, _writ_v1_ListResponseInput>;

  /**
   * The newest output of an execution, as far as the daemon has kept it: of one that runs, and of one that has ended recently. That of a
   * detached execution is kept in files, and outlasts the daemon.
   * Reading never holds the execution or its caller back; who reads too slowly misses output, and is told how much. FAILED_PRECONDITION
   * (OUTPUT_NOT_KEPT) where the configuration keeps none.
   */
  ReadOutput: grpc.handleServerStreamingCall<_writ_v1_ReadOutputRequest, _writ_v1_ReadOutputResponseInput>;

  /**
   * Sets the size of an execution's terminal; its foreground processes get SIGWINCH. FAILED_PRECONDITION (NOT_RUNNING, NO_TERMINAL).
   */
  Resize: grpc.handleUnaryCall<_writ_v1_ResizeRequest, _writ_v1_ResizeResponseInput>;

  /**
   * Sends a signal to the first process of an execution that runs, as kill(2) would: what the program does with it is its own. A terminal's
   * keys (Ctrl-C) are bytes of its input instead. FAILED_PRECONDITION (NOT_RUNNING) before its start and after its end.
   */
  Signal: grpc.handleUnaryCall<_writ_v1_SignalRequest, _writ_v1_SignalResponseInput>;

  /**
   * Ends an execution and all its processes and children.
   */
  Terminate: grpc.handleUnaryCall<_writ_v1_TerminateRequest, _writ_v1_TerminateResponseInput>;

  /**
   * The executions that the caller may see as they are now, then each one again whenever its state changes.
   */
  Watch: grpc.handleServerStreamingCall<_writ_v1_WatchRequest, _writ_v1_WatchResponseInput>;

}

export interface ExecutionServiceDefinition extends grpc.ServiceDefinition {
  Attach: MethodDefinition<_writ_v1_AttachRequestInput, _writ_v1_ExecuteResponseInput, _writ_v1_AttachRequest, _writ_v1_ExecuteResponse>
  Authorize: MethodDefinition<_writ_v1_AuthorizeRequestInput, _writ_v1_AuthorizeResponseInput, _writ_v1_AuthorizeRequest, _writ_v1_AuthorizeResponse>
  CloseOutput: MethodDefinition<_writ_v1_CloseOutputRequestInput, _writ_v1_CloseOutputResponseInput, _writ_v1_CloseOutputRequest, _writ_v1_CloseOutputResponse>
  Execute: MethodDefinition<_writ_v1_ExecuteRequestInput, _writ_v1_ExecuteResponseInput, _writ_v1_ExecuteRequest, _writ_v1_ExecuteResponse>
  Get: MethodDefinition<_writ_v1_GetRequestInput, _writ_v1_GetResponseInput, _writ_v1_GetRequest, _writ_v1_GetResponse>
  GetReceipt: MethodDefinition<_writ_v1_GetReceiptRequestInput, _writ_v1_GetReceiptResponseInput, _writ_v1_GetReceiptRequest, _writ_v1_GetReceiptResponse>
  List: MethodDefinition<_writ_v1_ListRequestInput, _writ_v1_ListResponseInput, _writ_v1_ListRequest, _writ_v1_ListResponse>
  ReadOutput: MethodDefinition<_writ_v1_ReadOutputRequestInput, _writ_v1_ReadOutputResponseInput, _writ_v1_ReadOutputRequest, _writ_v1_ReadOutputResponse>
  Resize: MethodDefinition<_writ_v1_ResizeRequestInput, _writ_v1_ResizeResponseInput, _writ_v1_ResizeRequest, _writ_v1_ResizeResponse>
  Signal: MethodDefinition<_writ_v1_SignalRequestInput, _writ_v1_SignalResponseInput, _writ_v1_SignalRequest, _writ_v1_SignalResponse>
  Terminate: MethodDefinition<_writ_v1_TerminateRequestInput, _writ_v1_TerminateResponseInput, _writ_v1_TerminateRequest, _writ_v1_TerminateResponse>
  Watch: MethodDefinition<_writ_v1_WatchRequestInput, _writ_v1_WatchResponseInput, _writ_v1_WatchRequest, _writ_v1_WatchResponse>
}
