import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { ClearFailureRequestInput as _writ_v1_ClearFailureRequestInput, ClearFailureRequest as _writ_v1_ClearFailureRequest } from './writ/v1/ClearFailureRequest.ts';
import type { ClearFailureResponseInput as _writ_v1_ClearFailureResponseInput, ClearFailureResponse as _writ_v1_ClearFailureResponse } from './writ/v1/ClearFailureResponse.ts';
import type { GovernanceServiceClient as _writ_v1_GovernanceServiceClient, GovernanceServiceDefinition as _writ_v1_GovernanceServiceDefinition } from './writ/v1/GovernanceService.ts';
import type { ListRevocationsRequestInput as _writ_v1_ListRevocationsRequestInput, ListRevocationsRequest as _writ_v1_ListRevocationsRequest } from './writ/v1/ListRevocationsRequest.ts';
import type { ListRevocationsResponseInput as _writ_v1_ListRevocationsResponseInput, ListRevocationsResponse as _writ_v1_ListRevocationsResponse } from './writ/v1/ListRevocationsResponse.ts';
import type { LoadHostLabelsRequestInput as _writ_v1_LoadHostLabelsRequestInput, LoadHostLabelsRequest as _writ_v1_LoadHostLabelsRequest } from './writ/v1/LoadHostLabelsRequest.ts';
import type { LoadHostLabelsResponseInput as _writ_v1_LoadHostLabelsResponseInput, LoadHostLabelsResponse as _writ_v1_LoadHostLabelsResponse } from './writ/v1/LoadHostLabelsResponse.ts';
import type { LoadPolicyRequestInput as _writ_v1_LoadPolicyRequestInput, LoadPolicyRequest as _writ_v1_LoadPolicyRequest } from './writ/v1/LoadPolicyRequest.ts';
import type { LoadPolicyResponseInput as _writ_v1_LoadPolicyResponseInput, LoadPolicyResponse as _writ_v1_LoadPolicyResponse } from './writ/v1/LoadPolicyResponse.ts';
import type { LoadReferenceValuesRequestInput as _writ_v1_LoadReferenceValuesRequestInput, LoadReferenceValuesRequest as _writ_v1_LoadReferenceValuesRequest } from './writ/v1/LoadReferenceValuesRequest.ts';
import type { LoadReferenceValuesResponseInput as _writ_v1_LoadReferenceValuesResponseInput, LoadReferenceValuesResponse as _writ_v1_LoadReferenceValuesResponse } from './writ/v1/LoadReferenceValuesResponse.ts';
import type { LoadSecretPolicyRequestInput as _writ_v1_LoadSecretPolicyRequestInput, LoadSecretPolicyRequest as _writ_v1_LoadSecretPolicyRequest } from './writ/v1/LoadSecretPolicyRequest.ts';
import type { LoadSecretPolicyResponseInput as _writ_v1_LoadSecretPolicyResponseInput, LoadSecretPolicyResponse as _writ_v1_LoadSecretPolicyResponse } from './writ/v1/LoadSecretPolicyResponse.ts';
import type { LoadTrustRootsRequestInput as _writ_v1_LoadTrustRootsRequestInput, LoadTrustRootsRequest as _writ_v1_LoadTrustRootsRequest } from './writ/v1/LoadTrustRootsRequest.ts';
import type { LoadTrustRootsResponseInput as _writ_v1_LoadTrustRootsResponseInput, LoadTrustRootsResponse as _writ_v1_LoadTrustRootsResponse } from './writ/v1/LoadTrustRootsResponse.ts';
import type { RevocationInput as _writ_v1_RevocationInput, Revocation as _writ_v1_Revocation } from './writ/v1/Revocation.ts';
import type { RevokeRequestInput as _writ_v1_RevokeRequestInput, RevokeRequest as _writ_v1_RevokeRequest } from './writ/v1/RevokeRequest.ts';
import type { RevokeResponseInput as _writ_v1_RevokeResponseInput, RevokeResponse as _writ_v1_RevokeResponse } from './writ/v1/RevokeResponse.ts';
import type { SetLogLevelRequestInput as _writ_v1_SetLogLevelRequestInput, SetLogLevelRequest as _writ_v1_SetLogLevelRequest } from './writ/v1/SetLogLevelRequest.ts';
import type { SetLogLevelResponseInput as _writ_v1_SetLogLevelResponseInput, SetLogLevelResponse as _writ_v1_SetLogLevelResponse } from './writ/v1/SetLogLevelResponse.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  writ: {
    v1: {
      ClearFailureRequest: MessageTypeDefinition<_writ_v1_ClearFailureRequestInput, _writ_v1_ClearFailureRequest>
      ClearFailureResponse: MessageTypeDefinition<_writ_v1_ClearFailureResponseInput, _writ_v1_ClearFailureResponse>
      /**
       * Changes what the daemon enforces. Every change is a document signed by a governance key (a DSSE envelope) and comes
       * from a configured uid: both are needed. Every change is in the lineage before it is answered. SetLogLevel alone changes nothing that is
       * enforced: it needs the uid, and is in the log.
       */
      GovernanceService: SubtypeConstructor<typeof grpc.Client, _writ_v1_GovernanceServiceClient> & { service: _writ_v1_GovernanceServiceDefinition }
      ListRevocationsRequest: MessageTypeDefinition<_writ_v1_ListRevocationsRequestInput, _writ_v1_ListRevocationsRequest>
      ListRevocationsResponse: MessageTypeDefinition<_writ_v1_ListRevocationsResponseInput, _writ_v1_ListRevocationsResponse>
      LoadHostLabelsRequest: MessageTypeDefinition<_writ_v1_LoadHostLabelsRequestInput, _writ_v1_LoadHostLabelsRequest>
      LoadHostLabelsResponse: MessageTypeDefinition<_writ_v1_LoadHostLabelsResponseInput, _writ_v1_LoadHostLabelsResponse>
      LoadPolicyRequest: MessageTypeDefinition<_writ_v1_LoadPolicyRequestInput, _writ_v1_LoadPolicyRequest>
      LoadPolicyResponse: MessageTypeDefinition<_writ_v1_LoadPolicyResponseInput, _writ_v1_LoadPolicyResponse>
      LoadReferenceValuesRequest: MessageTypeDefinition<_writ_v1_LoadReferenceValuesRequestInput, _writ_v1_LoadReferenceValuesRequest>
      LoadReferenceValuesResponse: MessageTypeDefinition<_writ_v1_LoadReferenceValuesResponseInput, _writ_v1_LoadReferenceValuesResponse>
      LoadSecretPolicyRequest: MessageTypeDefinition<_writ_v1_LoadSecretPolicyRequestInput, _writ_v1_LoadSecretPolicyRequest>
      LoadSecretPolicyResponse: MessageTypeDefinition<_writ_v1_LoadSecretPolicyResponseInput, _writ_v1_LoadSecretPolicyResponse>
      LoadTrustRootsRequest: MessageTypeDefinition<_writ_v1_LoadTrustRootsRequestInput, _writ_v1_LoadTrustRootsRequest>
      LoadTrustRootsResponse: MessageTypeDefinition<_writ_v1_LoadTrustRootsResponseInput, _writ_v1_LoadTrustRootsResponse>
      LogLevel: EnumTypeDefinition
      Revocation: MessageTypeDefinition<_writ_v1_RevocationInput, _writ_v1_Revocation>
      RevocationKind: EnumTypeDefinition
      RevokeRequest: MessageTypeDefinition<_writ_v1_RevokeRequestInput, _writ_v1_RevokeRequest>
      RevokeResponse: MessageTypeDefinition<_writ_v1_RevokeResponseInput, _writ_v1_RevokeResponse>
      SetLogLevelRequest: MessageTypeDefinition<_writ_v1_SetLogLevelRequestInput, _writ_v1_SetLogLevelRequest>
      SetLogLevelResponse: MessageTypeDefinition<_writ_v1_SetLogLevelResponseInput, _writ_v1_SetLogLevelResponse>
    }
  }
}

