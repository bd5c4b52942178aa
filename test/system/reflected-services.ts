import { createRequire } from 'node:module'
import {
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const DEFINITION = createRequire(import.meta.url).resolve(
  '@grpc/reflection/build/proto/grpc/reflection/v1/reflection.proto',
)

/** The names that `grpc.reflection.v1` lists. */
export function reflectedServices(socket: string): Promise<string[]> {
  const grpc = loadPackageDefinition(loadSync(DEFINITION)).grpc as GrpcObject
  const reflection = (grpc.reflection as GrpcObject).v1 as GrpcObject
  const Reflection = reflection.ServerReflection as unknown as ServiceClientConstructor
  const client: Client = new Reflection(`unix:${socket}`, credentials.createInsecure())
  const method = Reflection.service.ServerReflectionInfo
  if (method === undefined) throw new Error('no such method')
  const call = client.makeBidiStreamRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    {} as never,
  )
  return new Promise((resolve, reject) => {
    call.on('error', reject)
    call.on('data', (answer: { listServicesResponse?: { service: { name: string }[] } }) => {
      resolve(answer.listServicesResponse?.service.map(({ name }) => name) ?? [])
      call.cancel()
      client.close()
    })
    call.write({ listServices: '' })
  })
}
