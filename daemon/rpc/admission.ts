import { ServerInterceptingCall, type ServerInterceptor, type ServiceDefinition } from '@grpc/grpc-js'
import { type Caller, DeniedError } from '../core.ts'
import { type ReportInternal, RequestError, toStatus } from './errors.ts'
import type { LimitedCall, MessageLimits } from './message-limits.ts'
import { endStreamLater, type PeerRegistry } from './peer.ts'
import type { Quota } from './quota.ts'
import { PacedRefusals } from './refusals.ts'
import { StrictReader } from './strict-reader.ts'

/** Most bytes of a message after the first in a stream from the caller: up to 16 of them are held per call. */
export const MAX_STREAM_MESSAGE = 256 * 1024

/** Bytes on the wire of messages that have been decoded and not yet let in. */
const sizes = new WeakMap<object, number>()

/** Stands for a message that could not be read, until the interceptor refuses its call: grpc-js itself would call it an internal error. */
class Unreadable {
  readonly error: RequestError

  constructor(cause: unknown) {
    const what = cause instanceof Error ? cause.message : 'not protobuf'
    this.error = new RequestError('REQUEST_MALFORMED', `the message cannot be read: ${what}`, { cause })
  }
}

/** The same service, with the size of each decoded request noted for {@link admission}, and read strictly. */
export function measured(service: ServiceDefinition): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(service).map(([name, method]) => [
      name,
      {
        ...method,
        requestDeserialize: (bytes: Buffer) => {
          const message = readMessage(method.requestDeserialize, bytes)
          sizes.set(message, bytes.length)
          return message
        },
      },
    ]),
  )
}

/** The decoders that proto-loader makes hand what they are given to protobufjs, which takes a reader in the place of bytes. */
function readMessage(decode: (bytes: Buffer) => object, bytes: Buffer): object {
  try {
    return decode(new StrictReader(bytes) as unknown as Buffer)
  } catch (error) {
    return new Unreadable(error)
  }
}

export interface AdmissionOptions {
  readonly peers: PeerRegistry
  readonly quota: Quota
  readonly limits: MessageLimits
  /** Called for each call that was turned away for quota. */
  readonly refused: (uid: number) => void
  readonly report: ReportInternal
}

/**
 * Stands before every method, those of health and reflection included: the caller has to be known, and within the quota
 * of its uid. A call beyond the quota is refused before its message is read, at a pace; bytes beyond it are let in later, which
 * holds the sender back through HTTP/2 flow control. What a permitted workload has read of them is given back to the uid (execution-service.ts).
 */
export function admission(options: AdmissionOptions): ServerInterceptor {
  const { peers, quota, limits } = options
  const refusals = new PacedRefusals()
  return (method, call) => {
    const caller = peers.callerOf(call)
    let admitted = false
    let over = false
    let messages = 0
    let limited: LimitedCall | null = null
    const refuse = (error: DeniedError | RequestError) =>
      call.sendStatus(toStatus(error, true, options.report))
    return new ServerInterceptingCall(call, {
      start: next =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            if (caller === null) return refuse(CALLER_UNKNOWN)
            if (!quota.openCall(caller.uid)) {
              options.refused(caller.uid)
              return refusals.add(() => over || refuse(QUOTA_EXCEEDED))
            }
            admitted = true
            if (!mayCall(caller, method.path)) return refuse(NOT_FOR_EXECUTIONS)
            limited = limits.admit(call, method.path, caller)
            pass(metadata)
          },
          onReceiveMessage: (message: object, pass) => {
            if (caller === null) return
            messages++
            const size = sizes.get(message) ?? 0
            if (method.requestStream && messages > 1 && size > MAX_STREAM_MESSAGE)
              return refuse(MESSAGE_TOO_LARGE)
            const wait = quota.charge(caller.uid, size)
            if (message instanceof Unreadable) return refuse(message.error)
            if (wait === 0) return pass(message)
            setTimeout(() => {
              if (!over) pass(message)
            }, wait).unref()
          },
          // grpc-js calls this at the end of every call whose metadata was received, however it ended.
          onCancel: () => {
            over = true
            if (admitted && caller !== null) quota.closeCall(caller.uid)
            admitted = false
            limited?.end()
            limited = null
            endStreamLater(call)
          },
        }),
    })
  }
}

const CALLER_UNKNOWN = new DeniedError([
  { code: 'CALLER_UNKNOWN', message: 'the kernel did not say who is connected' },
])

const QUOTA_EXCEEDED = new DeniedError([{ code: 'CAPACITY', message: 'the quota of this uid is used up' }])

/** The one service that is for executions too: it starts their children, and of what there is it shows them those. */
const FOR_EXECUTIONS = '/writ.v1.ExecutionService/'

/** On an execution's own socket nothing is governed, reported or read from the lineage, whatever its artifact says. */
function mayCall({ parentExecution }: Caller, path: string): boolean {
  return parentExecution === null || path.startsWith(FOR_EXECUTIONS)
}

const NOT_FOR_EXECUTIONS = new RequestError(
  'NOT_ALLOWED',
  "an execution's own socket serves writ.v1.ExecutionService alone",
)

const MESSAGE_TOO_LARGE = new RequestError(
  'REQUEST_MALFORMED',
  `a message within a stream has at most ${MAX_STREAM_MESSAGE} bytes`,
)
