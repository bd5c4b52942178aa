import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { AttachRequestInput as _writ_v1_AttachRequestInput, AttachRequest as _writ_v1_AttachRequest } from './writ/v1/AttachRequest.ts';
import type { AttachStartInput as _writ_v1_AttachStartInput, AttachStart as _writ_v1_AttachStart } from './writ/v1/AttachStart.ts';
import type { AttachedInput as _writ_v1_AttachedInput, Attached as _writ_v1_Attached } from './writ/v1/Attached.ts';
import type { AuthorizeRequestInput as _writ_v1_AuthorizeRequestInput, AuthorizeRequest as _writ_v1_AuthorizeRequest } from './writ/v1/AuthorizeRequest.ts';
import type { AuthorizeResponseInput as _writ_v1_AuthorizeResponseInput, AuthorizeResponse as _writ_v1_AuthorizeResponse } from './writ/v1/AuthorizeResponse.ts';
import type { CloseOutputRequestInput as _writ_v1_CloseOutputRequestInput, CloseOutputRequest as _writ_v1_CloseOutputRequest } from './writ/v1/CloseOutputRequest.ts';
import type { CloseOutputResponseInput as _writ_v1_CloseOutputResponseInput, CloseOutputResponse as _writ_v1_CloseOutputResponse } from './writ/v1/CloseOutputResponse.ts';
import type { ExecuteRequestInput as _writ_v1_ExecuteRequestInput, ExecuteRequest as _writ_v1_ExecuteRequest } from './writ/v1/ExecuteRequest.ts';
import type { ExecuteResponseInput as _writ_v1_ExecuteResponseInput, ExecuteResponse as _writ_v1_ExecuteResponse } from './writ/v1/ExecuteResponse.ts';
import type { ExecuteStartInput as _writ_v1_ExecuteStartInput, ExecuteStart as _writ_v1_ExecuteStart } from './writ/v1/ExecuteStart.ts';
import type { ExecuteStartedInput as _writ_v1_ExecuteStartedInput, ExecuteStarted as _writ_v1_ExecuteStarted } from './writ/v1/ExecuteStarted.ts';
import type { ExecutionInput as _writ_v1_ExecutionInput, Execution as _writ_v1_Execution } from './writ/v1/Execution.ts';
import type { ExecutionEndInput as _writ_v1_ExecutionEndInput, ExecutionEnd as _writ_v1_ExecutionEnd } from './writ/v1/ExecutionEnd.ts';
import type { ExecutionServiceClient as _writ_v1_ExecutionServiceClient, ExecutionServiceDefinition as _writ_v1_ExecutionServiceDefinition } from './writ/v1/ExecutionService.ts';
import type { GetReceiptRequestInput as _writ_v1_GetReceiptRequestInput, GetReceiptRequest as _writ_v1_GetReceiptRequest } from './writ/v1/GetReceiptRequest.ts';
import type { GetReceiptResponseInput as _writ_v1_GetReceiptResponseInput, GetReceiptResponse as _writ_v1_GetReceiptResponse } from './writ/v1/GetReceiptResponse.ts';
import type { GetRequestInput as _writ_v1_GetRequestInput, GetRequest as _writ_v1_GetRequest } from './writ/v1/GetRequest.ts';
import type { GetResponseInput as _writ_v1_GetResponseInput, GetResponse as _writ_v1_GetResponse } from './writ/v1/GetResponse.ts';
import type { HandedOverInput as _writ_v1_HandedOverInput, HandedOver as _writ_v1_HandedOver } from './writ/v1/HandedOver.ts';
import type { LimitsInput as _writ_v1_LimitsInput, Limits as _writ_v1_Limits } from './writ/v1/Limits.ts';
import type { ListRequestInput as _writ_v1_ListRequestInput, ListRequest as _writ_v1_ListRequest } from './writ/v1/ListRequest.ts';
import type { ListResponseInput as _writ_v1_ListResponseInput, ListResponse as _writ_v1_ListResponse } from './writ/v1/ListResponse.ts';
import type { OutputGapInput as _writ_v1_OutputGapInput, OutputGap as _writ_v1_OutputGap } from './writ/v1/OutputGap.ts';
import type { ReadOutputRequestInput as _writ_v1_ReadOutputRequestInput, ReadOutputRequest as _writ_v1_ReadOutputRequest } from './writ/v1/ReadOutputRequest.ts';
import type { ReadOutputResponseInput as _writ_v1_ReadOutputResponseInput, ReadOutputResponse as _writ_v1_ReadOutputResponse } from './writ/v1/ReadOutputResponse.ts';
import type { ResizeRequestInput as _writ_v1_ResizeRequestInput, ResizeRequest as _writ_v1_ResizeRequest } from './writ/v1/ResizeRequest.ts';
import type { ResizeResponseInput as _writ_v1_ResizeResponseInput, ResizeResponse as _writ_v1_ResizeResponse } from './writ/v1/ResizeResponse.ts';
import type { SandboxInput as _writ_v1_SandboxInput, Sandbox as _writ_v1_Sandbox } from './writ/v1/Sandbox.ts';
import type { SignalRequestInput as _writ_v1_SignalRequestInput, SignalRequest as _writ_v1_SignalRequest } from './writ/v1/SignalRequest.ts';
import type { SignalResponseInput as _writ_v1_SignalResponseInput, SignalResponse as _writ_v1_SignalResponse } from './writ/v1/SignalResponse.ts';
import type { StdinClosedInput as _writ_v1_StdinClosedInput, StdinClosed as _writ_v1_StdinClosed } from './writ/v1/StdinClosed.ts';
import type { StdioInput as _writ_v1_StdioInput, Stdio as _writ_v1_Stdio } from './writ/v1/Stdio.ts';
import type { TerminalSizeInput as _writ_v1_TerminalSizeInput, TerminalSize as _writ_v1_TerminalSize } from './writ/v1/TerminalSize.ts';
import type { TerminateRequestInput as _writ_v1_TerminateRequestInput, TerminateRequest as _writ_v1_TerminateRequest } from './writ/v1/TerminateRequest.ts';
import type { TerminateResponseInput as _writ_v1_TerminateResponseInput, TerminateResponse as _writ_v1_TerminateResponse } from './writ/v1/TerminateResponse.ts';
import type { UserInput as _writ_v1_UserInput, User as _writ_v1_User } from './writ/v1/User.ts';
import type { WatchRequestInput as _writ_v1_WatchRequestInput, WatchRequest as _writ_v1_WatchRequest } from './writ/v1/WatchRequest.ts';
import type { WatchResponseInput as _writ_v1_WatchResponseInput, WatchResponse as _writ_v1_WatchResponse } from './writ/v1/WatchResponse.ts';
import type { WorkloadInput as _writ_v1_WorkloadInput, Workload as _writ_v1_Workload } from './writ/v1/Workload.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  writ: {
    v1: {
      AttachRequest: MessageTypeDefinition<_writ_v1_AttachRequestInput, _writ_v1_AttachRequest>
      AttachStart: MessageTypeDefinition<_writ_v1_AttachStartInput, _writ_v1_AttachStart>
      Attached: MessageTypeDefinition<_writ_v1_AttachedInput, _writ_v1_Attached>
      AuthorizeRequest: MessageTypeDefinition<_writ_v1_AuthorizeRequestInput, _writ_v1_AuthorizeRequest>
      AuthorizeResponse: MessageTypeDefinition<_writ_v1_AuthorizeResponseInput, _writ_v1_AuthorizeResponse>
      CloseOutputRequest: MessageTypeDefinition<_writ_v1_CloseOutputRequestInput, _writ_v1_CloseOutputRequest>
      CloseOutputResponse: MessageTypeDefinition<_writ_v1_CloseOutputResponseInput, _writ_v1_CloseOutputResponse>
      EndCause: EnumTypeDefinition
      ExecuteRequest: MessageTypeDefinition<_writ_v1_ExecuteRequestInput, _writ_v1_ExecuteRequest>
      ExecuteResponse: MessageTypeDefinition<_writ_v1_ExecuteResponseInput, _writ_v1_ExecuteResponse>
      ExecuteStart: MessageTypeDefinition<_writ_v1_ExecuteStartInput, _writ_v1_ExecuteStart>
      ExecuteStarted: MessageTypeDefinition<_writ_v1_ExecuteStartedInput, _writ_v1_ExecuteStarted>
      Execution: MessageTypeDefinition<_writ_v1_ExecutionInput, _writ_v1_Execution>
      ExecutionEnd: MessageTypeDefinition<_writ_v1_ExecutionEndInput, _writ_v1_ExecutionEnd>
      /**
       * Runs workloads under signed authorization artifacts. A caller sees and ends its own executions; an auditor sees all.
       *
       * Times are RFC 3339 in UTC with milliseconds (`2026-11-21T02:00:00.000Z`). Digests are SHA-256 in lower-case hexadecimal.
       * The caller is who the kernel says is connected; no field can say otherwise.
       */
      ExecutionService: SubtypeConstructor<typeof grpc.Client, _writ_v1_ExecutionServiceClient> & { service: _writ_v1_ExecutionServiceDefinition }
      ExecutionState: EnumTypeDefinition
      GetReceiptRequest: MessageTypeDefinition<_writ_v1_GetReceiptRequestInput, _writ_v1_GetReceiptRequest>
      GetReceiptResponse: MessageTypeDefinition<_writ_v1_GetReceiptResponseInput, _writ_v1_GetReceiptResponse>
      GetRequest: MessageTypeDefinition<_writ_v1_GetRequestInput, _writ_v1_GetRequest>
      GetResponse: MessageTypeDefinition<_writ_v1_GetResponseInput, _writ_v1_GetResponse>
      HandedOver: MessageTypeDefinition<_writ_v1_HandedOverInput, _writ_v1_HandedOver>
      Limits: MessageTypeDefinition<_writ_v1_LimitsInput, _writ_v1_Limits>
      ListRequest: MessageTypeDefinition<_writ_v1_ListRequestInput, _writ_v1_ListRequest>
      ListResponse: MessageTypeDefinition<_writ_v1_ListResponseInput, _writ_v1_ListResponse>
      Network: EnumTypeDefinition
      OutputGap: MessageTypeDefinition<_writ_v1_OutputGapInput, _writ_v1_OutputGap>
      OutputStream: EnumTypeDefinition
      ReadOutputRequest: MessageTypeDefinition<_writ_v1_ReadOutputRequestInput, _writ_v1_ReadOutputRequest>
      ReadOutputResponse: MessageTypeDefinition<_writ_v1_ReadOutputResponseInput, _writ_v1_ReadOutputResponse>
      ResizeRequest: MessageTypeDefinition<_writ_v1_ResizeRequestInput, _writ_v1_ResizeRequest>
      ResizeResponse: MessageTypeDefinition<_writ_v1_ResizeResponseInput, _writ_v1_ResizeResponse>
      Sandbox: MessageTypeDefinition<_writ_v1_SandboxInput, _writ_v1_Sandbox>
      Seccomp: EnumTypeDefinition
      Signal: EnumTypeDefinition
      SignalRequest: MessageTypeDefinition<_writ_v1_SignalRequestInput, _writ_v1_SignalRequest>
      SignalResponse: MessageTypeDefinition<_writ_v1_SignalResponseInput, _writ_v1_SignalResponse>
      StdinClosed: MessageTypeDefinition<_writ_v1_StdinClosedInput, _writ_v1_StdinClosed>
      Stdio: MessageTypeDefinition<_writ_v1_StdioInput, _writ_v1_Stdio>
      StreamMode: EnumTypeDefinition
      TerminalSize: MessageTypeDefinition<_writ_v1_TerminalSizeInput, _writ_v1_TerminalSize>
      TerminateRequest: MessageTypeDefinition<_writ_v1_TerminateRequestInput, _writ_v1_TerminateRequest>
      TerminateResponse: MessageTypeDefinition<_writ_v1_TerminateResponseInput, _writ_v1_TerminateResponse>
      User: MessageTypeDefinition<_writ_v1_UserInput, _writ_v1_User>
      WatchRequest: MessageTypeDefinition<_writ_v1_WatchRequestInput, _writ_v1_WatchRequest>
      WatchResponse: MessageTypeDefinition<_writ_v1_WatchResponseInput, _writ_v1_WatchResponse>
      Workload: MessageTypeDefinition<_writ_v1_WorkloadInput, _writ_v1_Workload>
    }
  }
}

