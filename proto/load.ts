import { type GrpcObject, loadPackageDefinition } from '@grpc/grpc-js'
import { fromJSON, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'
import { shippedFile } from '../encoding/shipped.ts'
import type { ProtoGrpcType as AttestationTypes } from './generated/attestation.ts'
import type { ProtoGrpcType as ExecutionTypes } from './generated/execution.ts'
import type { Status, StatusInput } from './generated/google/rpc/Status.ts'
import type { ProtoGrpcType as GovernanceTypes } from './generated/governance.ts'
import type { ProtoGrpcType as LineageTypes } from './generated/lineage.ts'
import type { Denial, DenialInput } from './generated/writ/v1/Denial.ts'
import type { Fault, FaultInput } from './generated/writ/v1/Fault.ts'

/**
 * Every message and service of the API, read once from what generate.sh makes of the .proto files. In what is decoded: names are
 * camelCase, 64-bit integers are decimal strings, enums are their names (a number that has no name stays a number),
 * bytes are a Buffer, absent scalars have their default, absent messages are null, `optional` fields are absent. The options
 * have to agree with those in generate.sh.
 */
export const packageDefinition: PackageDefinition = fromJSON(
  JSON.parse(shippedFile('definitions').toString()),
  { longs: String, enums: String, defaults: true, oneofs: true },
)

type WritTypes = ExecutionTypes['writ']['v1'] &
  AttestationTypes['writ']['v1'] &
  LineageTypes['writ']['v1'] &
  GovernanceTypes['writ']['v1']

const tree: GrpcObject = loadPackageDefinition(packageDefinition)

/** The package `writ.v1`: client constructors, each with its `.service` definition, and message types. */
export const writV1 = (tree as unknown as { writ: { v1: WritTypes } }).writ.v1

function messageType<Input, Output>(name: string): MessageTypeDefinition<Input, Output> {
  const definition = packageDefinition[name]
  if (definition === undefined || !('serialize' in definition)) throw new TypeError(`no message ${name}`)
  return definition as unknown as MessageTypeDefinition<Input, Output>
}

/** google.rpc.Status, which travels in the trailer `grpc-status-details-bin`. */
export const statusType = messageType<StatusInput, Status>('google.rpc.Status')

/** writ.v1.Denial, a detail of a status. */
export const denialType = messageType<DenialInput, Denial>('writ.v1.Denial')

/** writ.v1.Fault, a detail of a status. */
export const faultType = messageType<FaultInput, Fault>('writ.v1.Fault')
