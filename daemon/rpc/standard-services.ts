import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js'
import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import { fileDescriptors } from '../../proto/descriptors.ts'

type AddService = (service: ServiceDefinition, implementation: UntypedServiceImplementation) => void

/** `grpc.health.v1`, with every service of the daemon NOT_SERVING until it is said to serve. `''` is the daemon as a whole. */
export function addHealth(
  addService: AddService,
  services: readonly string[],
  shutdown: AbortSignal,
): HealthImplementation {
  const health = new HealthImplementation(
    Object.fromEntries(['', ...services].map(name => [name, 'NOT_SERVING' as const])),
  )
  health.addToServer({
    addService: (service, implementation) => {
      const { watch, ...others } = implementation
      addService(service as ServiceDefinition, {
        ...(others as UntypedServiceImplementation),
        watch: (call: StreamCall) => {
          endWith(call, shutdown)
          ;(watch as unknown as (call: StreamCall) => void)(call)
        },
      })
    },
  })
  return health
}

/**
 * `grpc.reflection.v1` and `v1alpha`, so that grpcurl needs no .proto files; they describe health and themselves too. The package is
 * given the compiler's own descriptors: those that proto-loader makes have no imports, other names for fields and for
 * entries of maps, and cannot be linked by a strict reader such as the one of Go.
 *
 * @param shutdown ends the streams, which a client may otherwise keep open for ever
 */
export function addReflection(addService: AddService, shutdown: AbortSignal): void {
  const files = { fileDescriptorProtos: fileDescriptors() }
  const reflection = new ReflectionService({ files } as unknown as PackageDefinition)
  const target = {
    addService: (service: ServiceDefinition, implementation: UntypedServiceImplementation) =>
      addService(
        service,
        Object.fromEntries(
          Object.entries(implementation).map(([name, handle]) => [
            name,
            (call: StreamCall) => {
              holdBack(call)
              endWith(call, shutdown)
              ;(handle as (call: StreamCall) => void)(call)
            },
          ]),
        ) as UntypedServiceImplementation,
      ),
  }
  reflection.addToServer(target as unknown as Parameters<ReflectionService['addToServer']>[0])
}

interface StreamCall {
  write(message: unknown): boolean
  end(): unknown
  pause(): unknown
  resume(): unknown
  once(event: 'drain' | 'cancelled', listener: () => void): unknown
}

/** The package answers each small question with a whole file, whether or not anyone reads the answers. */
function holdBack(call: StreamCall): void {
  const write = call.write.bind(call)
  call.write = message => {
    if (write(message)) return true
    call.pause()
    call.once('drain', () => call.resume())
    return false
  }
}

/** Ends a stream of a package that knows of no shutdown. */
function endWith(call: StreamCall, shutdown: AbortSignal): void {
  const end = () => call.end()
  shutdown.addEventListener('abort', end, { once: true })
  call.once('cancelled', () => shutdown.removeEventListener('abort', end))
}
