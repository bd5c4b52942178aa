import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { AttestationReasonInput as _writ_v1_AttestationReasonInput, AttestationReason as _writ_v1_AttestationReason } from './writ/v1/AttestationReason.ts';
import type { AttestationServiceClient as _writ_v1_AttestationServiceClient, AttestationServiceDefinition as _writ_v1_AttestationServiceDefinition } from './writ/v1/AttestationService.ts';
import type { AttestationStatusInput as _writ_v1_AttestationStatusInput, AttestationStatus as _writ_v1_AttestationStatus } from './writ/v1/AttestationStatus.ts';
import type { ConfigurationStatusInput as _writ_v1_ConfigurationStatusInput, ConfigurationStatus as _writ_v1_ConfigurationStatus } from './writ/v1/ConfigurationStatus.ts';
import type { EvidenceStatusInput as _writ_v1_EvidenceStatusInput, EvidenceStatus as _writ_v1_EvidenceStatus } from './writ/v1/EvidenceStatus.ts';
import type { GetReportRequestInput as _writ_v1_GetReportRequestInput, GetReportRequest as _writ_v1_GetReportRequest } from './writ/v1/GetReportRequest.ts';
import type { GetReportResponseInput as _writ_v1_GetReportResponseInput, GetReportResponse as _writ_v1_GetReportResponse } from './writ/v1/GetReportResponse.ts';
import type { GetStatusRequestInput as _writ_v1_GetStatusRequestInput, GetStatusRequest as _writ_v1_GetStatusRequest } from './writ/v1/GetStatusRequest.ts';
import type { GetStatusResponseInput as _writ_v1_GetStatusResponseInput, GetStatusResponse as _writ_v1_GetStatusResponse } from './writ/v1/GetStatusResponse.ts';
import type { HostLabelsStatusInput as _writ_v1_HostLabelsStatusInput, HostLabelsStatus as _writ_v1_HostLabelsStatus } from './writ/v1/HostLabelsStatus.ts';
import type { NewLineageEpochInput as _writ_v1_NewLineageEpochInput, NewLineageEpoch as _writ_v1_NewLineageEpoch } from './writ/v1/NewLineageEpoch.ts';
import type { PolicyStatusInput as _writ_v1_PolicyStatusInput, PolicyStatus as _writ_v1_PolicyStatus } from './writ/v1/PolicyStatus.ts';
import type { RefusedDocumentInput as _writ_v1_RefusedDocumentInput, RefusedDocument as _writ_v1_RefusedDocument } from './writ/v1/RefusedDocument.ts';
import type { RolledBackLineageInput as _writ_v1_RolledBackLineageInput, RolledBackLineage as _writ_v1_RolledBackLineage } from './writ/v1/RolledBackLineage.ts';
import type { TrustRootsStatusInput as _writ_v1_TrustRootsStatusInput, TrustRootsStatus as _writ_v1_TrustRootsStatus } from './writ/v1/TrustRootsStatus.ts';
import type { WatchStatusRequestInput as _writ_v1_WatchStatusRequestInput, WatchStatusRequest as _writ_v1_WatchStatusRequest } from './writ/v1/WatchStatusRequest.ts';
import type { WatchStatusResponseInput as _writ_v1_WatchStatusResponseInput, WatchStatusResponse as _writ_v1_WatchStatusResponse } from './writ/v1/WatchStatusResponse.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  writ: {
    v1: {
      AttestationReason: MessageTypeDefinition<_writ_v1_AttestationReasonInput, _writ_v1_AttestationReason>
      /**
       * Says whether the host is attested, and proves it.
       */
      AttestationService: SubtypeConstructor<typeof grpc.Client, _writ_v1_AttestationServiceClient> & { service: _writ_v1_AttestationServiceDefinition }
      AttestationStatus: MessageTypeDefinition<_writ_v1_AttestationStatusInput, _writ_v1_AttestationStatus>
      ConfigurationStatus: MessageTypeDefinition<_writ_v1_ConfigurationStatusInput, _writ_v1_ConfigurationStatus>
      EvidenceStatus: MessageTypeDefinition<_writ_v1_EvidenceStatusInput, _writ_v1_EvidenceStatus>
      GateState: EnumTypeDefinition
      GetReportRequest: MessageTypeDefinition<_writ_v1_GetReportRequestInput, _writ_v1_GetReportRequest>
      GetReportResponse: MessageTypeDefinition<_writ_v1_GetReportResponseInput, _writ_v1_GetReportResponse>
      GetStatusRequest: MessageTypeDefinition<_writ_v1_GetStatusRequestInput, _writ_v1_GetStatusRequest>
      GetStatusResponse: MessageTypeDefinition<_writ_v1_GetStatusResponseInput, _writ_v1_GetStatusResponse>
      HostLabelsStatus: MessageTypeDefinition<_writ_v1_HostLabelsStatusInput, _writ_v1_HostLabelsStatus>
      NewLineageEpoch: MessageTypeDefinition<_writ_v1_NewLineageEpochInput, _writ_v1_NewLineageEpoch>
      PolicyStatus: MessageTypeDefinition<_writ_v1_PolicyStatusInput, _writ_v1_PolicyStatus>
      RefusedDocument: MessageTypeDefinition<_writ_v1_RefusedDocumentInput, _writ_v1_RefusedDocument>
      RolledBackLineage: MessageTypeDefinition<_writ_v1_RolledBackLineageInput, _writ_v1_RolledBackLineage>
      TpmTier: EnumTypeDefinition
      TrustRootsStatus: MessageTypeDefinition<_writ_v1_TrustRootsStatusInput, _writ_v1_TrustRootsStatus>
      WatchStatusRequest: MessageTypeDefinition<_writ_v1_WatchStatusRequestInput, _writ_v1_WatchStatusRequest>
      WatchStatusResponse: MessageTypeDefinition<_writ_v1_WatchStatusResponseInput, _writ_v1_WatchStatusResponse>
    }
  }
}

