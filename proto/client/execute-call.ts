import type { EventEmitter } from 'node:events'
import type { ClientDuplexStream } from '@grpc/grpc-js'
import type { AttachRequestInput } from '../generated/writ/v1/AttachRequest.ts'
import type { ExecuteRequestInput } from '../generated/writ/v1/ExecuteRequest.ts'
import type { ExecuteResponse } from '../generated/writ/v1/ExecuteResponse.ts'
import { answers } from './answers.ts'

/** The daemon refuses larger pieces of standard input (daemon/rpc/admission.ts). */
const STDIN_CHUNK = 64 * 1024

/** One Execute under way, message by message. */
export interface ExecuteCall {
  /**
   * The daemon's messages: first `started`, last `ended`. While the next is not asked for, the daemon stops reading the workload's
   * output. Throws {@link CallError}, a denial among them. Leaving the loop early ends the execution.
   */
  readonly answers: AsyncGenerator<ExecuteResponse, void, undefined>
  /** Sends bytes to standard input; resolves when more may be sent, or when the call is over. */
  stdin(bytes: Uint8Array): Promise<void>
  /** Ends standard input. */
  endStdin(): void
  /** Drops the call, which ends the execution. */
  cancel(): void
}

/** One call, which is over when its connection is. */
export interface SingleCall extends ExecuteCall {
  /** Whether nothing that is sent arrives any more. */
  isOver(): boolean
}

/** Sends the first message of a call that was just opened, and wraps it. */
export function executeCall<Request extends ExecuteRequestInput | AttachRequestInput>(
  call: ClientDuplexStream<Request, ExecuteResponse>,
  first: Request,
  signal?: AbortSignal,
): SingleCall {
  let over = false
  call.on('status', () => {
    over = true
  })
  // Nothing is asked for on behalf of a caller who has left.
  if (signal?.aborted) call.cancel()
  else call.write(first)
  return {
    answers: answers<ExecuteResponse>(call, signal),
    stdin: async bytes => {
      for (let at = 0; at < bytes.length; at += STDIN_CHUNK) {
        if (over || call.destroyed || call.writableEnded) return
        if (call.write({ stdin: bytes.subarray(at, at + STDIN_CHUNK) } as Request)) continue
        await drained(call)
      }
    },
    endStdin: () => {
      if (!call.writableEnded) call.end()
    },
    cancel: () => call.cancel(),
    isOver: () => over || call.destroyed,
  }
}

/** Resolves when more may be written, or when the call is over and never drains. */
function drained(call: EventEmitter): Promise<void> {
  return new Promise(resolve => {
    const go = () => {
      call.off('drain', go).off('status', go)
      resolve()
    }
    call.on('drain', go).on('status', go)
  })
}
