import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClientDuplexStream, credentials, loadPackageDefinition } from '@grpc/grpc-js'
import { loadFileDescriptorSetFromBuffer, loadSync, type PackageDefinition } from '@grpc/proto-loader'
import { protoPath as healthProto } from 'grpc-health-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { addReflection } from '../../../daemon/rpc/standard-services.ts'
import { type Rig, startRig } from './rig.ts'

interface ReflectionAnswer {
  listServicesResponse?: { service: { name: string }[] } | null
  fileDescriptorResponse?: { fileDescriptorProto: Buffer[] } | null
  errorResponse?: { errorCode: number } | null
}
type Reflection = ClientDuplexStream<object, ReflectionAnswer>

const REFLECTION = join(
  import.meta.dirname,
  '../../../node_modules/@grpc/reflection/build/proto/grpc/reflection',
)

let rig: Rig
let closers: (() => void)[]
beforeEach(async () => {
  rig = await startRig()
  closers = []
})
afterEach(async () => {
  for (const close of closers) close()
  await rig.stop()
})

/** A client made from nothing but a definition, as grpcurl makes one. */
// biome-ignore lint/suspicious/noExplicitAny: a client whose methods are known at run time only.
function dynamicClient(definition: PackageDefinition, service: string): any {
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  const at = service.split('.').reduce((tree: any, name) => tree[name], loadPackageDefinition(definition))
  const client = new at(`unix:${rig.socket}`, credentials.createInsecure())
  closers.push(() => client.close())
  return client
}

function reflection(version: 'v1' | 'v1alpha'): Reflection {
  const definition = loadSync(join(REFLECTION, version, 'reflection.proto'))
  const stream = dynamicClient(
    definition,
    `grpc.reflection.${version}.ServerReflection`,
  ).ServerReflectionInfo()
  stream.on('error', () => {})
  return stream
}

function ask(stream: Reflection, question: object): Promise<ReflectionAnswer> {
  const answer = new Promise<ReflectionAnswer>(resolve => stream.once('data', resolve))
  stream.write(question)
  return answer
}

describe('reflection', () => {
  it.each(['v1', 'v1alpha'] as const)('%s lists every service', async version => {
    const stream = reflection(version)
    const answer = await ask(stream, { listServices: '*' })
    expect(answer.listServicesResponse?.service.map(s => s.name).sort()).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'writ.v1.AttestationService',
      'writ.v1.ExecutionService',
      'writ.v1.GovernanceService',
      'writ.v1.LineageService',
    ])
    stream.end()
  })

  it('alone is enough to make a call and to read the details of a denial', async () => {
    const stream = reflection('v1')
    const files = async (symbol: string) =>
      (await ask(stream, { fileContainingSymbol: symbol })).fileDescriptorResponse?.fileDescriptorProto ?? []
    const symbols = ['writ.v1.ExecutionService', 'google.rpc.Status', 'writ.v1.Denial']
    const encoded: Buffer[] = []
    for (const symbol of symbols) encoded.push(...(await files(symbol)))
    const definition = loadFileDescriptorSetFromBuffer(descriptorSet(encoded), {
      enums: String,
      longs: String,
    })
    const client = dynamicClient(definition, 'writ.v1.ExecutionService')
    const error = await new Promise<{ code: number; metadata: { get(key: string): Buffer[] } }>(resolve =>
      client.Authorize({ workload: { program: '/bin/true' } }, resolve),
    )
    expect(error.code).toBe(7)
    const typed = (name: string) => definition[name] as unknown as { deserialize(bytes: Buffer): never }
    const status: { details: { type_url: string; value: Buffer }[] } = typed('google.rpc.Status').deserialize(
      error.metadata.get('grpc-status-details-bin')[0] ?? Buffer.alloc(0),
    )
    const [any] = status.details
    expect(any?.type_url).toBe('type.googleapis.com/writ.v1.Denial')
    const denial: { reasons: { code: string }[] } = typed('writ.v1.Denial').deserialize(
      any?.value ?? Buffer.alloc(0),
    )
    expect(denial.reasons[0]?.code).toBe('REASON_CODE_ARTIFACT_MISSING')
    stream.end()
  })

  it('answers what it does not know with an error, and goes on', async () => {
    const stream = reflection('v1')
    for (const question of [
      { fileContainingSymbol: 'writ.v1.Nothing' },
      { fileByFilename: '../../etc/passwd' },
      { fileContainingExtension: { containingType: 'constructor', extensionNumber: 1 } },
      {},
    ]) {
      expect((await ask(stream, question)).errorResponse?.errorCode).toBeGreaterThan(0)
    }
    expect((await ask(stream, { listServices: '' })).listServicesResponse?.service.length).toBe(7)
    stream.end()
  })

  it('stops reading questions of a client that does not read the answers', async () => {
    const handlers: ((stream: unknown) => void)[] = []
    addReflection((_service, implementation) => {
      handlers.push(...(Object.values(implementation) as ((stream: unknown) => void)[]))
    }, new AbortController().signal)
    expect(handlers).toHaveLength(2)
    for (const handle of handlers) {
      // A stream whose other side takes three answers, and more only later.
      const stream = new Duplex({
        objectMode: true,
        writableHighWaterMark: 3,
        read: () => {},
        write: () => {},
      })
      let asked = 0
      handle(stream)
      stream.on('data', () => asked++)
      for (let i = 0; i < 10; i++) stream.push({ messageRequest: 'listServices', listServices: '*' })
      await sleep(20)
      expect(stream.isPaused()).toBe(true)
      expect(asked).toBe(3)
      stream.emit('drain')
      expect(stream.isPaused()).toBe(false)
    }
  })
})

describe('health', () => {
  const check = (client: ReturnType<typeof dynamicClient>, service: string) =>
    new Promise<string>(resolve =>
      client.Check({ service }, (error: { code: number } | null, answer: { status: string }) =>
        resolve(error === null ? answer.status : `error ${error.code}`),
      ),
    )

  it('says of each service whether it serves', async () => {
    const client = dynamicClient(loadSync(healthProto, { enums: String }), 'grpc.health.v1.Health')
    expect(await check(client, '')).toBe('NOT_SERVING')
    rig.server.setServing('', true)
    rig.server.setServing('writ.v1.ExecutionService', true)
    expect(await check(client, '')).toBe('SERVING')
    expect(await check(client, 'writ.v1.ExecutionService')).toBe('SERVING')
    expect(await check(client, 'writ.v1.LineageService')).toBe('NOT_SERVING')
    expect(await check(client, 'nothing')).toBe('error 5')
  })

  it('is watched until the daemon stops', async () => {
    const client = dynamicClient(loadSync(healthProto, { enums: String }), 'grpc.health.v1.Health')
    const seen: string[] = []
    const watch = client.Watch({ service: '' })
    watch.on('error', () => {})
    watch.on('data', (answer: { status: string }) => seen.push(answer.status))
    const ended = new Promise(resolve => watch.once('status', resolve))
    while (seen.length < 1) await sleep(10)
    rig.server.setServing('', true)
    while (seen.length < 2) await sleep(10)
    const begin = performance.now()
    await rig.server.close(20_000)
    await ended
    expect(performance.now() - begin).toBeLessThan(3000)
    expect(seen).toEqual(['NOT_SERVING', 'SERVING', 'NOT_SERVING'])
  })
})

/** A FileDescriptorSet: each file as field 1, length-delimited (protobuf's wire format). */
function descriptorSet(files: Buffer[]): Buffer {
  return Buffer.concat(files.flatMap(file => [Buffer.from([0x0a]), varint(file.length), file]))
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}
