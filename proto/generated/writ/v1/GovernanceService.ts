// Original file: writ/v1/governance.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ClearFailureRequestInput as _writ_v1_ClearFailureRequestInput, ClearFailureRequest as _writ_v1_ClearFailureRequest } from '../../writ/v1/ClearFailureRequest.ts';
import type { ClearFailureResponseInput as _writ_v1_ClearFailureResponseInput, ClearFailureResponse as _writ_v1_ClearFailureResponse } from '../../writ/v1/ClearFailureResponse.ts';
import type { ListRevocationsRequestInput as _writ_v1_ListRevocationsRequestInput, ListRevocationsRequest as _writ_v1_ListRevocationsRequest } from '../../writ/v1/ListRevocationsRequest.ts';
import type { ListRevocationsResponseInput as _writ_v1_ListRevocationsResponseInput, ListRevocationsResponse as _writ_v1_ListRevocationsResponse } from '../../writ/v1/ListRevocationsResponse.ts';
import type { LoadHostLabelsRequestInput as _writ_v1_LoadHostLabelsRequestInput, LoadHostLabelsRequest as _writ_v1_LoadHostLabelsRequest } from '../../writ/v1/LoadHostLabelsRequest.ts';
import type { LoadHostLabelsResponseInput as _writ_v1_LoadHostLabelsResponseInput, LoadHostLabelsResponse as _writ_v1_LoadHostLabelsResponse } from '../../writ/v1/LoadHostLabelsResponse.ts';
import type { LoadPolicyRequestInput as _writ_v1_LoadPolicyRequestInput, LoadPolicyRequest as _writ_v1_LoadPolicyRequest } from '../../writ/v1/LoadPolicyRequest.ts';
import type { LoadPolicyResponseInput as _writ_v1_LoadPolicyResponseInput, LoadPolicyResponse as _writ_v1_LoadPolicyResponse } from '../../writ/v1/LoadPolicyResponse.ts';
import type { LoadReferenceValuesRequestInput as _writ_v1_LoadReferenceValuesRequestInput, LoadReferenceValuesRequest as _writ_v1_LoadReferenceValuesRequest } from '../../writ/v1/LoadReferenceValuesRequest.ts';
import type { LoadReferenceValuesResponseInput as _writ_v1_LoadReferenceValuesResponseInput, LoadReferenceValuesResponse as _writ_v1_LoadReferenceValuesResponse } from '../../writ/v1/LoadReferenceValuesResponse.ts';
import type { LoadSecretPolicyRequestInput as _writ_v1_LoadSecretPolicyRequestInput, LoadSecretPolicyRequest as _writ_v1_LoadSecretPolicyRequest } from '../../writ/v1/LoadSecretPolicyRequest.ts';
import type { LoadSecretPolicyResponseInput as _writ_v1_LoadSecretPolicyResponseInput, LoadSecretPolicyResponse as _writ_v1_LoadSecretPolicyResponse } from '../../writ/v1/LoadSecretPolicyResponse.ts';
import type { LoadTrustRootsRequestInput as _writ_v1_LoadTrustRootsRequestInput, LoadTrustRootsRequest as _writ_v1_LoadTrustRootsRequest } from '../../writ/v1/LoadTrustRootsRequest.ts';
import type { LoadTrustRootsResponseInput as _writ_v1_LoadTrustRootsResponseInput, LoadTrustRootsResponse as _writ_v1_LoadTrustRootsResponse } from '../../writ/v1/LoadTrustRootsResponse.ts';
import type { RevokeRequestInput as _writ_v1_RevokeRequestInput, RevokeRequest as _writ_v1_RevokeRequest } from '../../writ/v1/RevokeRequest.ts';
import type { RevokeResponseInput as _writ_v1_RevokeResponseInput, RevokeResponse as _writ_v1_RevokeResponse } from '../../writ/v1/RevokeResponse.ts';
import type { SetLogLevelRequestInput as _writ_v1_SetLogLevelRequestInput, SetLogLevelRequest as _writ_v1_SetLogLevelRequest } from '../../writ/v1/SetLogLevelRequest.ts';
import type { SetLogLevelResponseInput as _writ_v1_SetLogLevelResponseInput, SetLogLevelResponse as _writ_v1_SetLogLevelResponse } from '../../writ/v1/SetLogLevelResponse.ts';

/**
 * Changes what the daemon enforces. Every change is a document signed by a governance key (a DSSE envelope) and comes
 * from a configured uid: both are needed. Every change is in the lineage before it is answered. SetLogLevel alone changes nothing that is
 * enforced: it needs the uid, and is in the log.
 */
export interface GovernanceServiceClient extends grpc.Client {
  /**
   * Leaves the state FAILED, accepts the tail of the lineage after an unclean stop, or accepts a lineage that was put back, as the document says
   * (`application/vnd.writ.failure-clearance.v1+json`). The gate opens only after the next good appraisal.
   */
  ClearFailure(argument: _writ_v1_ClearFailureRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;
  ClearFailure(argument: _writ_v1_ClearFailureRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;
  ClearFailure(argument: _writ_v1_ClearFailureRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;
  ClearFailure(argument: _writ_v1_ClearFailureRequestInput, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;
  /**
   * Leaves the state FAILED, accepts the tail of the lineage after an unclean stop, or accepts a lineage that was put back, as the document says
   * (`application/vnd.writ.failure-clearance.v1+json`). The gate opens only after the next good appraisal.
   */
  clearFailure(argument: _writ_v1_ClearFailureRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;
  clearFailure(argument: _writ_v1_ClearFailureRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;
  clearFailure(argument: _writ_v1_ClearFailureRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;
  clearFailure(argument: _writ_v1_ClearFailureRequestInput, callback: grpc.requestCallback<_writ_v1_ClearFailureResponse>): grpc.ClientUnaryCall;

  /**
   * What is revoked, in pages.
   */
  ListRevocations(argument: _writ_v1_ListRevocationsRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;
  ListRevocations(argument: _writ_v1_ListRevocationsRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;
  ListRevocations(argument: _writ_v1_ListRevocationsRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;
  ListRevocations(argument: _writ_v1_ListRevocationsRequestInput, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;
  /**
   * What is revoked, in pages.
   */
  listRevocations(argument: _writ_v1_ListRevocationsRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;
  listRevocations(argument: _writ_v1_ListRevocationsRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;
  listRevocations(argument: _writ_v1_ListRevocationsRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;
  listRevocations(argument: _writ_v1_ListRevocationsRequestInput, callback: grpc.requestCallback<_writ_v1_ListRevocationsResponse>): grpc.ClientUnaryCall;

  /**
   * Says what the operator calls this host: artifacts can be for hosts with a label, and policies look at them
   * (`application/vnd.writ.host-labels.v1+json`).
   */
  LoadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;
  LoadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;
  LoadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;
  LoadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;
  /**
   * Says what the operator calls this host: artifacts can be for hosts with a label, and policies look at them
   * (`application/vnd.writ.host-labels.v1+json`).
   */
  loadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;
  loadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;
  loadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;
  loadHostLabels(argument: _writ_v1_LoadHostLabelsRequestInput, callback: grpc.requestCallback<_writ_v1_LoadHostLabelsResponse>): grpc.ClientUnaryCall;

  /**
   * Puts a policy bundle in force (`application/vnd.writ.policy-bundle.v1+json`).
   */
  LoadPolicy(argument: _writ_v1_LoadPolicyRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;
  LoadPolicy(argument: _writ_v1_LoadPolicyRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;
  LoadPolicy(argument: _writ_v1_LoadPolicyRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;
  LoadPolicy(argument: _writ_v1_LoadPolicyRequestInput, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;
  /**
   * Puts a policy bundle in force (`application/vnd.writ.policy-bundle.v1+json`).
   */
  loadPolicy(argument: _writ_v1_LoadPolicyRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;
  loadPolicy(argument: _writ_v1_LoadPolicyRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;
  loadPolicy(argument: _writ_v1_LoadPolicyRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;
  loadPolicy(argument: _writ_v1_LoadPolicyRequestInput, callback: grpc.requestCallback<_writ_v1_LoadPolicyResponse>): grpc.ClientUnaryCall;

  /**
   * Puts reference values in force (`application/vnd.writ.reference-values.v1+json`).
   */
  LoadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;
  LoadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;
  LoadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;
  LoadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;
  /**
   * Puts reference values in force (`application/vnd.writ.reference-values.v1+json`).
   */
  loadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;
  loadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;
  loadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;
  loadReferenceValues(argument: _writ_v1_LoadReferenceValuesRequestInput, callback: grpc.requestCallback<_writ_v1_LoadReferenceValuesResponse>): grpc.ClientUnaryCall;

  /**
   * Puts a secret policy in force (`application/vnd.writ.secret-policy.v1+json`): in which states of this host its TPM opens secrets.
   */
  LoadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;
  LoadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;
  LoadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;
  LoadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;
  /**
   * Puts a secret policy in force (`application/vnd.writ.secret-policy.v1+json`): in which states of this host its TPM opens secrets.
   */
  loadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;
  loadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;
  loadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;
  loadSecretPolicy(argument: _writ_v1_LoadSecretPolicyRequestInput, callback: grpc.requestCallback<_writ_v1_LoadSecretPolicyResponse>): grpc.ClientUnaryCall;

  /**
   * Puts trust roots, the authorities that may sign artifacts, in force (`application/vnd.writ.trust.v1+json`).
   */
  LoadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;
  LoadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;
  LoadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;
  LoadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;
  /**
   * Puts trust roots, the authorities that may sign artifacts, in force (`application/vnd.writ.trust.v1+json`).
   */
  loadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;
  loadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;
  loadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;
  loadTrustRoots(argument: _writ_v1_LoadTrustRootsRequestInput, callback: grpc.requestCallback<_writ_v1_LoadTrustRootsResponse>): grpc.ClientUnaryCall;

  /**
   * Revokes artifacts, keys, programs, hosts, executions or policies (`application/vnd.writ.revocation.v1+json`), and ends
   * what runs under them.
   */
  Revoke(argument: _writ_v1_RevokeRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;
  Revoke(argument: _writ_v1_RevokeRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;
  Revoke(argument: _writ_v1_RevokeRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;
  Revoke(argument: _writ_v1_RevokeRequestInput, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;
  /**
   * Revokes artifacts, keys, programs, hosts, executions or policies (`application/vnd.writ.revocation.v1+json`), and ends
   * what runs under them.
   */
  revoke(argument: _writ_v1_RevokeRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;
  revoke(argument: _writ_v1_RevokeRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;
  revoke(argument: _writ_v1_RevokeRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;
  revoke(argument: _writ_v1_RevokeRequestInput, callback: grpc.requestCallback<_writ_v1_RevokeResponse>): grpc.ClientUnaryCall;

  /**
   * Sets how much the daemon logs, for a while: afterwards, and after a restart, it is again as configured.
   */
  SetLogLevel(argument: _writ_v1_SetLogLevelRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;
  SetLogLevel(argument: _writ_v1_SetLogLevelRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;
  SetLogLevel(argument: _writ_v1_SetLogLevelRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;
  SetLogLevel(argument: _writ_v1_SetLogLevelRequestInput, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;
  /**
   * Sets how much the daemon logs, for a while: afterwards, and after a restart, it is again as configured.
   */
  setLogLevel(argument: _writ_v1_SetLogLevelRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;
  setLogLevel(argument: _writ_v1_SetLogLevelRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;
  setLogLevel(argument: _writ_v1_SetLogLevelRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;
  setLogLevel(argument: _writ_v1_SetLogLevelRequestInput, callback: grpc.requestCallback<_writ_v1_SetLogLevelResponse>): grpc.ClientUnaryCall;

}

/**
 * Changes what the daemon enforces. Every change is a document signed by a governance key (a DSSE envelope) and comes
 * from a configured uid: both are needed. Every change is in the lineage before it is answered. SetLogLevel alone changes nothing that is
 * enforced: it needs the uid, and is in the log.
 */
export interface GovernanceServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Leaves the state FAILED, accepts the tail of the lineage after an unclean stop, or accepts a lineage that was put back, as the document says
   * (`application/vnd.writ.failure-clearance.v1+json`). The gate opens only after the next good appraisal.
   */
  ClearFailure: grpc.handleUnaryCall<_writ_v1_ClearFailureRequest, _writ_v1_ClearFailureResponseInput>;

  /**
   * What is revoked, in pages.
   */
  ListRevocations: grpc.handleUnaryCall<_writ_v1_ListRevocationsRequest, _writ_v1_ListRevocationsResponseInput>;

  /**
   * Says what the operator calls this host: artifacts can be for hosts with a label, and policies look at them
   * (`application/vnd.writ.host-labels.v1+json`).
   */
  LoadHostLabels: grpc.handleUnaryCall<_writ_v1_LoadHostLabelsRequest, _writ_v1_LoadHostLabelsResponseInput>;

  /**
   * Puts a policy bundle in force (`application/vnd.writ.policy-bundle.v1+json`).
   */
  LoadPolicy: grpc.handleUnaryCall<_writ_v1_LoadPolicyRequest, _writ_v1_LoadPolicyResponseInput>;

  /**
   * Puts reference values in force (`application/vnd.writ.reference-values.v1+json`).
   */
  LoadReferenceValues: grpc.handleUnaryCall<_writ_v1_LoadReferenceValuesRequest, _writ_v1_LoadReferenceValuesResponseInput>;

  /**
   * Puts a secret policy in force (`application/vnd.writ.secret-policy.v1+json`): in which states of this host its TPM opens secrets.
   */
  LoadSecretPolicy: grpc.handleUnaryCall<_writ_v1_LoadSecretPolicyRequest, _writ_v1_LoadSecretPolicyResponseInput>;

  /**
   * Puts trust roots, the authorities that may sign artifacts, in force (`application/vnd.writ.trust.v1+json`).
   */
  LoadTrustRoots: grpc.handleUnaryCall<_writ_v1_LoadTrustRootsRequest, _writ_v1_LoadTrustRootsResponseInput>;

  /**
   * Revokes artifacts, keys, programs, hosts, executions or policies (`application/vnd.writ.revocation.v1+json`), and ends
   * what runs under them.
   */
  Revoke: grpc.handleUnaryCall<_writ_v1_RevokeRequest, _writ_v1_RevokeResponseInput>;

  /**
   * Sets how much the daemon logs, for a while: afterwards, and after a restart, it is again as configured.
   */
  SetLogLevel: grpc.handleUnaryCall<_writ_v1_SetLogLevelRequest, _writ_v1_SetLogLevelResponseInput>;

}

export interface GovernanceServiceDefinition extends grpc.ServiceDefinition {
  ClearFailure: MethodDefinition<_writ_v1_ClearFailureRequestInput, _writ_v1_ClearFailureResponseInput, _writ_v1_ClearFailureRequest, _writ_v1_ClearFailureResponse>
  ListRevocations: MethodDefinition<_writ_v1_ListRevocationsRequestInput, _writ_v1_ListRevocationsResponseInput, _writ_v1_ListRevocationsRequest, _writ_v1_ListRevocationsResponse>
  LoadHostLabels: MethodDefinition<_writ_v1_LoadHostLabelsRequestInput, _writ_v1_LoadHostLabelsResponseInput, _writ_v1_LoadHostLabelsRequest, _writ_v1_LoadHostLabelsResponse>
  LoadPolicy: MethodDefinition<_writ_v1_LoadPolicyRequestInput, _writ_v1_LoadPolicyResponseInput, _writ_v1_LoadPolicyRequest, _writ_v1_LoadPolicyResponse>
  LoadReferenceValues: MethodDefinition<_writ_v1_LoadReferenceValuesRequestInput, _writ_v1_LoadReferenceValuesResponseInput, _writ_v1_LoadReferenceValuesRequest, _writ_v1_LoadReferenceValuesResponse>
  LoadSecretPolicy: MethodDefinition<_writ_v1_LoadSecretPolicyRequestInput, _writ_v1_LoadSecretPolicyResponseInput, _writ_v1_LoadSecretPolicyRequest, _writ_v1_LoadSecretPolicyResponse>
  LoadTrustRoots: MethodDefinition<_writ_v1_LoadTrustRootsRequestInput, _writ_v1_LoadTrustRootsResponseInput, _writ_v1_LoadTrustRootsRequest, _writ_v1_LoadTrustRootsResponse>
  Revoke: MethodDefinition<_writ_v1_RevokeRequestInput, _writ_v1_RevokeResponseInput, _writ_v1_RevokeRequest, _writ_v1_RevokeResponse>
  SetLogLevel: MethodDefinition<_writ_v1_SetLogLevelRequestInput, _writ_v1_SetLogLevelResponseInput, _writ_v1_SetLogLevelRequest, _writ_v1_SetLogLevelResponse>
}
