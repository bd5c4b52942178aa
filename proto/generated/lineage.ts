import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { GetBlobRequestInput as _writ_v1_GetBlobRequestInput, GetBlobRequest as _writ_v1_GetBlobRequest } from './writ/v1/GetBlobRequest.ts';
import type { GetBlobResponseInput as _writ_v1_GetBlobResponseInput, GetBlobResponse as _writ_v1_GetBlobResponse } from './writ/v1/GetBlobResponse.ts';
import type { GetCheckpointRequestInput as _writ_v1_GetCheckpointRequestInput, GetCheckpointRequest as _writ_v1_GetCheckpointRequest } from './writ/v1/GetCheckpointRequest.ts';
import type { GetCheckpointResponseInput as _writ_v1_GetCheckpointResponseInput, GetCheckpointResponse as _writ_v1_GetCheckpointResponse } from './writ/v1/GetCheckpointResponse.ts';
import type { GetConsistencyProofRequestInput as _writ_v1_GetConsistencyProofRequestInput, GetConsistencyProofRequest as _writ_v1_GetConsistencyProofRequest } from './writ/v1/GetConsistencyProofRequest.ts';
import type { GetConsistencyProofResponseInput as _writ_v1_GetConsistencyProofResponseInput, GetConsistencyProofResponse as _writ_v1_GetConsistencyProofResponse } from './writ/v1/GetConsistencyProofResponse.ts';
import type { GetInclusionProofRequestInput as _writ_v1_GetInclusionProofRequestInput, GetInclusionProofRequest as _writ_v1_GetInclusionProofRequest } from './writ/v1/GetInclusionProofRequest.ts';
import type { GetInclusionProofResponseInput as _writ_v1_GetInclusionProofResponseInput, GetInclusionProofResponse as _writ_v1_GetInclusionProofResponse } from './writ/v1/GetInclusionProofResponse.ts';
import type { LineageServiceClient as _writ_v1_LineageServiceClient, LineageServiceDefinition as _writ_v1_LineageServiceDefinition } from './writ/v1/LineageService.ts';
import type { LocateEntriesRequestInput as _writ_v1_LocateEntriesRequestInput, LocateEntriesRequest as _writ_v1_LocateEntriesRequest } from './writ/v1/LocateEntriesRequest.ts';
import type { LocateEntriesResponseInput as _writ_v1_LocateEntriesResponseInput, LocateEntriesResponse as _writ_v1_LocateEntriesResponse } from './writ/v1/LocateEntriesResponse.ts';
import type { ReadEntriesRequestInput as _writ_v1_ReadEntriesRequestInput, ReadEntriesRequest as _writ_v1_ReadEntriesRequest } from './writ/v1/ReadEntriesRequest.ts';
import type { ReadEntriesResponseInput as _writ_v1_ReadEntriesResponseInput, ReadEntriesResponse as _writ_v1_ReadEntriesResponse } from './writ/v1/ReadEntriesResponse.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  writ: {
    v1: {
      GetBlobRequest: MessageTypeDefinition<_writ_v1_GetBlobRequestInput, _writ_v1_GetBlobRequest>
      GetBlobResponse: MessageTypeDefinition<_writ_v1_GetBlobResponseInput, _writ_v1_GetBlobResponse>
      GetCheckpointRequest: MessageTypeDefinition<_writ_v1_GetCheckpointRequestInput, _writ_v1_GetCheckpointRequest>
      GetCheckpointResponse: MessageTypeDefinition<_writ_v1_GetCheckpointResponseInput, _writ_v1_GetCheckpointResponse>
      GetConsistencyProofRequest: MessageTypeDefinition<_writ_v1_GetConsistencyProofRequestInput, _writ_v1_GetConsistencyProofRequest>
      GetConsistencyProofResponse: MessageTypeDefinition<_writ_v1_GetConsistencyProofResponseInput, _writ_v1_GetConsistencyProofResponse>
      GetInclusionProofRequest: MessageTypeDefinition<_writ_v1_GetInclusionProofRequestInput, _writ_v1_GetInclusionProofRequest>
      GetInclusionProofResponse: MessageTypeDefinition<_writ_v1_GetInclusionProofResponseInput, _writ_v1_GetInclusionProofResponse>
      /**
       * Reads the lineage: the append-only log of everything that the daemon has decided and seen.
       */
      LineageService: SubtypeConstructor<typeof grpc.Client, _writ_v1_LineageServiceClient> & { service: _writ_v1_LineageServiceDefinition }
      LocateEntriesRequest: MessageTypeDefinition<_writ_v1_LocateEntriesRequestInput, _writ_v1_LocateEntriesRequest>
      LocateEntriesResponse: MessageTypeDefinition<_writ_v1_LocateEntriesResponseInput, _writ_v1_LocateEntriesResponse>
      ReadEntriesRequest: MessageTypeDefinition<_writ_v1_ReadEntriesRequestInput, _writ_v1_ReadEntriesRequest>
      ReadEntriesResponse: MessageTypeDefinition<_writ_v1_ReadEntriesResponseInput, _writ_v1_ReadEntriesResponse>
    }
  }
}

