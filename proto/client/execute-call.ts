import type { ClientDuplexStream } from '@grpc/grpc-js'
import type { ExecuteRequestInput } from '../generated/writ/v1/ExecuteRequest.ts'
import type { ExecuteResponse } from '../generated/writ/v1/ExecuteResponse.ts'
import type { ExecuteStartInput } from '../generated/writ/v1/ExecuteStart.ts'
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

/** Sends the first message of a call that was just opened, and wraps it. */
export function executeCall(
  call: ClientDuplexStream<ExecuteRequestInput, ExecuteResponse>,
  start: ExecuteStartInput,
  signal?: AbortSignal,
): ExecuteCall {
  // Nothing is asked for on behalf of a caller who has left.
  if (signal?.aborted) call.cancel()
  else call.write({ start })
  return {
    answers: answers<ExecuteResponse>(call, signal),
    stdin: async bytes => {
      for (let at = 0; at < bytes.length; at += STDIN_CHUNK) {
        if (call.destroyed || call.writableEnded) return
        if (call.write({ stdin: bytes.subarray(at, at + STDIN_CHUNK) })) continue
        await drained(call)
      }
    },
    endStdin: () => {
      if (!call.writableEnded) call.end()
    },
    cancel: () => call.cancel(),
  }
}

/** Resolves when more may be written, or when the call is over and never drains. */
function drained(call: ClientDuplexStream<ExecuteRequestInput, ExecuteResponse>): Promise<void> {
  return new Promise(resolve => {
    const go = () => {
      call.off('drain', go).off('status', go)
      resolve()
    }
    call.on('drain', go).on('status', go)
  })
}
