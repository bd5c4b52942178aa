// Original file: writ/v1/lineage.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetBlobRequestInput as _writ_v1_GetBlobRequestInput, GetBlobRequest as _writ_v1_GetBlobRequest } from '../../writ/v1/GetBlobRequest.ts';
import type { GetBlobResponseInput as _writ_v1_GetBlobResponseInput, GetBlobResponse as _writ_v1_GetBlobResponse } from '../../writ/v1/GetBlobResponse.ts';
import type { GetCheckpointRequestInput as _writ_v1_GetCheckpointRequestInput, GetCheckpointRequest as _writ_v1_GetCheckpointRequest } from '../../writ/v1/GetCheckpointRequest.ts';
import type { GetCheckpointResponseInput as _writ_v1_GetCheckpointResponseInput, GetCheckpointResponse as _writ_v1_GetCheckpointResponse } from '../../writ/v1/GetCheckpointResponse.ts';
import type { GetConsistencyProofRequestInput as _writ_v1_GetConsistencyProofRequestInput, GetConsistencyProofRequest as _writ_v1_GetConsistencyProofRequest } from '../../writ/v1/GetConsistencyProofRequest.ts';
import type { GetConsistencyProofResponseInput as _writ_v1_GetConsistencyProofResponseInput, GetConsistencyProofResponse as _writ_v1_GetConsistencyProofResponse } from '../../writ/v1/GetConsistencyProofResponse.ts';
import type { GetInclusionProofRequestInput as _writ_v1_GetInclusionProofRequestInput, GetInclusionProofRequest as _writ_v1_GetInclusionProofRequest } from '../../writ/v1/GetInclusionProofRequest.ts';
import type { GetInclusionProofResponseInput as _writ_v1_GetInclusionProofResponseInput, GetInclusionProofResponse as _writ_v1_GetInclusionProofResponse } from '../../writ/v1/GetInclusionProofResponse.ts';
import type { LocateEntriesRequestInput as _writ_v1_LocateEntriesRequestInput, LocateEntriesRequest as _writ_v1_LocateEntriesRequest } from '../../writ/v1/LocateEntriesRequest.ts';
import type { LocateEntriesResponseInput as _writ_v1_LocateEntriesResponseInput, LocateEntriesResponse as _writ_v1_LocateEntriesResponse } from '../../writ/v1/LocateEntriesResponse.ts';
import type { ReadEntriesRequestInput as _writ_v1_ReadEntriesRequestInput, ReadEntriesRequest as _writ_v1_ReadEntriesRequest } from '../../writ/v1/ReadEntriesRequest.ts';
import type { ReadEntriesResponseInput as _writ_v1_ReadEntriesResponseInput, ReadEntriesResponse as _writ_v1_ReadEntriesResponse } from '../../writ/v1/ReadEntriesResponse.ts';

/**
 * Reads the lineage: the append-only log of everything that the daemon has decided and seen.
 */
export interface LineageServiceClient extends grpc.Client {
  /**
   * A blob that an entry names by digest: evidence, a decision record, a policy. For auditors.
   */
  GetBlob(argument: _writ_v1_GetBlobRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetBlobResponse>;
  GetBlob(argument: _writ_v1_GetBlobRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetBlobResponse>;
  /**
   * A blob that an entry names by digest: evidence, a decision record, a policy. For auditors.
   */
  getBlob(argument: _writ_v1_GetBlobRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetBlobResponse>;
  getBlob(argument: _writ_v1_GetBlobRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_GetBlobResponse>;

  /**
   * The newest signed tree head.
   */
  GetCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;
  GetCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;
  GetCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;
  GetCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;
  /**
   * The newest signed tree head.
   */
  getCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;
  getCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;
  getCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;
  getCheckpoint(argument: _writ_v1_GetCheckpointRequestInput, callback: grpc.requestCallback<_writ_v1_GetCheckpointResponse>): grpc.ClientUnaryCall;

  /**
   * Proof that one tree is a beginning of another.
   */
  GetConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;
  GetConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;
  GetConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;
  GetConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;
  /**
   * Proof that one tree is a beginning of another.
   */
  getConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;
  getConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;
  getConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;
  getConsistencyProof(argument: _writ_v1_GetConsistencyProofRequestInput, callback: grpc.requestCallback<_writ_v1_GetConsistencyProofResponse>): grpc.ClientUnaryCall;

  /**
   * Proof that an entry is in a tree.
   */
  GetInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;
  GetInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;
  GetInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;
  GetInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;
  /**
   * Proof that an entry is in a tree.
   */
  getInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;
  getInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;
  getInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;
  getInclusionProof(argument: _writ_v1_GetInclusionProofRequestInput, callback: grpc.requestCallback<_writ_v1_GetInclusionProofResponse>): grpc.ClientUnaryCall;

  /**
   * Which positions a span of time has.
   */
  LocateEntries(argument: _writ_v1_LocateEntriesRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;
  LocateEntries(argument: _writ_v1_LocateEntriesRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;
  LocateEntries(argument: _writ_v1_LocateEntriesRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;
  LocateEntries(argument: _writ_v1_LocateEntriesRequestInput, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;
  /**
   * Which positions a span of time has.
   */
  locateEntries(argument: _writ_v1_LocateEntriesRequestInput, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;
  locateEntries(argument: _writ_v1_LocateEntriesRequestInput, metadata: grpc.Metadata, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;
  locateEntries(argument: _writ_v1_LocateEntriesRequestInput, options: grpc.CallOptions, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;
  locateEntries(argument: _writ_v1_LocateEntriesRequestInput, callback: grpc.requestCallback<_writ_v1_LocateEntriesResponse>): grpc.ClientUnaryCall;

  /**
   * Entries in their order. Whoever is not an auditor gets the entries of its own executions only.
   */
  ReadEntries(argument: _writ_v1_ReadEntriesRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadEntriesResponse>;
  ReadEntries(argument: _writ_v1_ReadEntriesRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadEntriesResponse>;
  /**
   * Entries in their order. Whoever is not an auditor gets the entries of its own executions only.
   */
  readEntries(argument: _writ_v1_ReadEntriesRequestInput, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadEntriesResponse>;
  readEntries(argument: _writ_v1_ReadEntriesRequestInput, options?: grpc.CallOptions): grpc.ClientReadableStream<_writ_v1_ReadEntriesResponse>;

}

/**
 * Reads the lineage: the append-only log of everything that the daemon has decided and seen.
 */
export interface LineageServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * A blob that an entry names by digest: evidence, a decision record, a policy. For auditors.
   */
  GetBlob: grpc.handleServerStreamingCall<_writ_v1_GetBlobRequest, _writ_v1_GetBlobResponseInput>;

  /**
   * The newest signed tree head.
   */
  GetCheckpoint: grpc.handleUnaryCall<_writ_v1_GetCheckpointRequest, _writ_v1_GetCheckpointResponseInput>;

  /**
   * Proof that one tree is a beginning of another.
   */
  GetConsistencyProof: grpc.handleUnaryCall<_writ_v1_GetConsistencyProofRequest, _writ_v1_GetConsistencyProofResponseInput>;

  /**
   * Proof that an entry is in a tree.
   */
  GetInclusionProof: grpc.handleUnaryCall<_writ_v1_GetInclusionProofRequest, _writ_v1_GetInclusionProofResponseInput>;

  /**
   * Which positions a span of time has.
   */
  LocateEntries: grpc.handleUnaryCall<_writ_v1_LocateEntriesRequest, _writ_v1_LocateEntriesResponseInput>;

  /**
   * Entries in their order. Whoever is not an auditor gets the entries of its own executions only.
   */
  ReadEntries: grpc.handleServerStreamingCall<_writ_v1_ReadEntriesRequest, _writ_v1_ReadEntriesResponseInput>;

}

export interface LineageServiceDefinition extends grpc.ServiceDefinition {
  GetBlob: MethodDefinition<_writ_v1_GetBlobRequestInput, _writ_v1_GetBlobResponseInput, _writ_v1_GetBlobRequest, _writ_v1_GetBlobResponse>
  GetCheckpoint: MethodDefinition<_writ_v1_GetCheckpointRequestInput, _writ_v1_GetCheckpointResponseInput, _writ_v1_GetCheckpointRequest, _writ_v1_GetCheckpointResponse>
  GetConsistencyProof: MethodDefinition<_writ_v1_GetConsistencyProofRequestInput, _writ_v1_GetConsistencyProofResponseInput, _writ_v1_GetConsistencyProofRequest, _writ_v1_GetConsistencyProofResponse>
  GetInclusionProof: MethodDefinition<_writ_v1_GetInclusionProofRequestInput, _writ_v1_GetInclusionProofResponseInput, _writ_v1_GetInclusionProofRequest, _writ_v1_GetInclusionProofResponse>
  LocateEntries: MethodDefinition<_writ_v1_LocateEntriesRequestInput, _writ_v1_LocateEntriesResponseInput, _writ_v1_LocateEntriesRequest, _writ_v1_LocateEntriesResponse>
  ReadEntries: MethodDefinition<_writ_v1_ReadEntriesRequestInput, _writ_v1_ReadEntriesResponseInput, _writ_v1_ReadEntriesRequest, _writ_v1_ReadEntriesResponse>
}
