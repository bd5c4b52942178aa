import type { ServiceDefinition } from '@grpc/grpc-js'
import type { ExecuteResponseInput } from '../../proto/generated/writ/v1/ExecuteResponse.ts'

/** Largest piece of output in one message: as much as one read of a pipe gives (pipe(7)). */
export const OUTPUT_CHUNK = 64 * 1024

/** Field 2 is `stdout`, field 3 `stderr`, of wire type 2, LEN (protobuf.dev, "Encoding", and execution.proto). */
const TAGS = { stdout: (2 << 3) | 2, stderr: (3 << 3) | 2 } as const
/** A tag, and a length of up to 21 bits. */
const MOST_HEADER = 4
/**
 * Used again for each message. grpc-js takes what a serializer gives into a frame of its own before it does anything else
 * (server-interceptors.js, serializeMessage). A buffer for each message would be one more of three for each piece that V8 has to collect.
 */
const SCRATCH = Buffer.allocUnsafe(MOST_HEADER + OUTPUT_CHUNK)

/** The same service, with the pieces of output of Execute and Attach written as cheaply as they can be. */
export function withOutputMessages<S extends ServiceDefinition>(service: S): S {
  const cheaply = (name: string) => {
    const method = service[name]
    if (method === undefined) return {}
    const { responseSerialize } = method
    return {
      [name]: {
        ...method,
        responseSerialize: (message: ExecuteResponseInput) =>
          outputMessage(message) ?? responseSerialize(message),
      },
    }
  }
  return { ...service, ...cheaply('Execute'), ...cheaply('Attach') }
}

/** What is no piece of output is null. What is given is overwritten by the next call. */
export function outputMessage(message: ExecuteResponseInput): Buffer | null {
  const name = message.stdout ? 'stdout' : 'stderr'
  const bytes = message[name]
  if (!Buffer.isBuffer(bytes) || bytes.length > OUTPUT_CHUNK) return null
  let at = 0
  SCRATCH[at++] = TAGS[name]
  let rest = bytes.length
  for (; rest > 0x7f; rest >>>= 7) SCRATCH[at++] = (rest & 0x7f) | 0x80
  SCRATCH[at++] = rest
  return SCRATCH.subarray(0, at + bytes.copy(SCRATCH, at))
}
