import { type StatusObject, status } from '@grpc/grpc-js'
import { MAX_REFERENCE_ENVELOPE_BYTES } from '../../attestation/index.ts'
import { api } from '../../proto/client/methods.ts'
import type { Caller } from '../core.ts'

/** The one method that takes more than `rpc.max_message_bytes`: reference values list every file of a host. */
const LARGE_METHOD = api.governance.LoadReferenceValues.path

/** Most bytes of a message of that method: the envelope, and its field's tag and length (protobuf, "Message Structure"). */
export const MAX_LARGE_MESSAGE = MAX_REFERENCE_ENVELOPE_BYTES + 16

/** Calls at one time that may bring a message beyond the ordinary limit: each is held in memory whole before it is looked at. */
export const LARGE_AT_ONCE = 2

/** What is told of a call that was let in. */
export interface LimitedCall {
  /** The call is over. */
  end(): void
}

const ORDINARY: LimitedCall = { end: () => undefined }

/**
 * How much one message from a caller may have. grpc-js has one limit for all methods of a server, which here is `rpc.max_message_bytes`; a governor's
 * call of the one method that takes more gets a limit of its own, before anything of its message is read. That rests on fields of grpc-js's own: without
 * them the ordinary limit stays.
 */
export class MessageLimits {
  readonly #ordinary: number
  #large = 0

  /** @param ordinary most bytes of a message of every other method */
  constructor(ordinary: number) {
    this.#ordinary = ordinary
  }

  /**
   * Before a call's first message is asked for: sets its limit, and has it say which one was exceeded.
   *
   * @param call grpc-js's own, to which interceptors hand on
   */
  admit(call: object, path: string, caller: Caller): LimitedCall {
    const isLarge = path === LARGE_METHOD && caller.governor && this.#ordinary < MAX_LARGE_MESSAGE
    if (!isLarge) return this.#say(call, `rpc.max_message_bytes = ${this.#ordinary}`)
    if (this.#large >= LARGE_AT_ONCE)
      return this.#say(
        call,
        `rpc.max_message_bytes = ${this.#ordinary} while ${LARGE_AT_ONCE} other calls load reference values`,
      )
    if (!raise(call, MAX_LARGE_MESSAGE)) return this.#say(call, `rpc.max_message_bytes = ${this.#ordinary}`)
    this.#large++
    this.#say(call, `${MAX_REFERENCE_ENVELOPE_BYTES} bytes of reference values`)
    return {
      end: () => {
        this.#large--
      },
    }
  }

  #say(call: object, limit: string): LimitedCall {
    const { sendStatus } = call as { sendStatus?: (status: Partial<StatusObject>) => void }
    if (sendStatus === undefined) return ORDINARY
    // On the call itself, because grpc-js refuses such a message below all interceptors.
    Object.assign(call, {
      sendStatus: (answer: Partial<StatusObject>) => sendStatus.call(call, named(answer, limit)),
    })
    return ORDINARY
  }
}

/** What grpc-js says of a message beyond its limit. A client knows it by these words, too (proto/call-error.ts). */
const BEYOND_LIMIT = /^Received message (?:larger than max|that decompresses to a size larger than)/

function named(answer: Partial<StatusObject>, limit: string): Partial<StatusObject> {
  const { code, details } = answer
  if (code !== status.RESOURCE_EXHAUSTED || !BEYOND_LIMIT.test(details ?? '')) return answer
  return { ...answer, details: `${details}: the limit is ${limit}` }
}

/** Fields of grpc-js's BaseServerInterceptingCall and its StreamDecoder (1.14): the one is of what comes compressed, the other of what comes. */
interface Limited {
  maxReceiveMessageSize?: unknown
  decoder?: { maxReadMessageLength?: unknown }
}

/** Whether the call has the limit now. */
function raise(call: object, bytes: number): boolean {
  const limited = call as Limited
  const { decoder } = limited
  if (typeof limited.maxReceiveMessageSize !== 'number' || typeof decoder?.maxReadMessageLength !== 'number')
    return false
  limited.maxReceiveMessageSize = bytes
  decoder.maxReadMessageLength = bytes
  return true
}
