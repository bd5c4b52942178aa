import { type CallOptions, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import { CallError, toCallError } from './call-error.ts'
import type { ExecuteResponse } from './generated/writ/v1/ExecuteResponse.ts'
import type { ExecuteStartInput } from './generated/writ/v1/ExecuteStart.ts'
import { writV1 } from './load.ts'

export { CallError, type CallErrorCode } from './call-error.ts'

/** The services' methods, to be given to {@link WritClient.call} and {@link WritClient.read}. */
export const api = {
  execution: writV1.ExecutionService.service,
  attestation: writV1.AttestationService.service,
  lineage: writV1.LineageService.service,
  governance: writV1.GovernanceService.service,
} as const

/** Reports carry whole measurement logs. */
const MAX_RECEIVE_BYTES = 64 * 1024 * 1024

export interface WritClientOptions {
  /** Most milliseconds for a call that has one answer. Default 30,000. */
  readonly deadlineMs?: number
}

/** One connection to a daemon. Every method throws {@link CallError}. Close it, or the process does not end. */
export class WritClient {
  readonly #client: Client
  readonly #deadlineMs: number

  /** @param socketPath the daemon's Unix socket; it is connected to at the first call */
  constructor(socketPath: string, options: WritClientOptions = {}) {
    this.#deadlineMs = options.deadlineMs ?? 30_000
    this.#client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
      'grpc.enable_channelz': 0,
      // A second attempt could be a second use of an artifact.
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': MAX_RECEIVE_BYTES,
    })
  }

  close(): void {
    this.#client.close()
  }

  /** A call with one request and one answer. */
  call<Input, Output>(
    method: MethodDefinition<Input, object, object, Output>,
    request: Input,
    options: { deadlineMs?: number } = {},
  ): Promise<Output> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + (options.deadlineMs ?? this.#deadlineMs) },
        (error, answer) => {
          if (error) reject(toCallError(error))
          else if (answer === undefined) reject(new CallError('OTHER', 'no answer', { status: 'UNKNOWN' }))
          else resolve(answer)
        },
      )
    })
  }

  /** A call with one request and a stream of answers. Leaving the loop, or the signal, ends the call. */
  async *read<Input, Output>(
    method: MethodDefinition<Input, object, object, Output>,
    request: Input,
    options: { deadlineMs?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<Output, void, undefined> {
    const call = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      deadlineOf(options.deadlineMs),
    )
    yield* answers<Output>(call, options.signal)
  }

  /**
   * Runs a workload. The first answer is `started`, the last `ended`; a denial is thrown by the iteration. The daemon stops
   * reading the workload's output while the iteration does not go on.
   */
  execute(
    start: ExecuteStartInput,
    options: { deadlineMs?: number; signal?: AbortSignal } = {},
  ): ExecuteCall {
    const method = api.execution.Execute
    const call = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      new Metadata(),
      deadlineOf(options.deadlineMs),
    )
    call.write({ start })
    return {
      answers: answers<ExecuteResponse>(call, options.signal),
      stdin: async bytes => {
        for (let at = 0; at < bytes.length; at += STDIN_CHUNK) {
          if (call.destroyed || call.writableEnded) return
          if (call.write({ stdin: bytes.subarray(at, at + STDIN_CHUNK) })) continue
          await new Promise<void>(resolve => {
            call.once('drain', resolve).once('status', () => resolve())
          })
        }
      },
      endStdin: () => {
        if (!call.writableEnded) call.end()
      },
      cancel: () => call.cancel(),
    }
  }
}

/** The daemon refuses larger pieces of standard input (daemon/rpc/admission.ts). */
const STDIN_CHUNK = 64 * 1024

/** One Execute under way. */
export interface ExecuteCall {
  /** The daemon's messages; throws {@link CallError}. Leaving the loop early ends the execution. */
  readonly answers: AsyncGenerator<ExecuteResponse, void, undefined>
  /** Sends bytes to standard input; resolves when more may be sent, or when the call is over. */
  stdin(bytes: Uint8Array): Promise<void>
  /** Ends standard input. */
  endStdin(): void
  /** Ends the execution. */
  cancel(): void
}

function deadlineOf(ms: number | undefined): CallOptions {
  return ms === undefined ? {} : { deadline: Date.now() + ms }
}

/** What the two kinds of readable calls have in common. */
interface ReadableCall extends AsyncIterable<unknown> {
  cancel(): void
  on(event: 'error', listener: (error: ServiceError) => void): unknown
  on(event: 'status', listener: () => void): unknown
}

/**
 * The messages of a call in order, then its error if there is one. grpc-js emits `error` on its own, at any time and without
 * destroying the stream, so it has to be listened for from the beginning and looked at after the last message.
 */
function answers<Output>(
  call: ReadableCall,
  signal: AbortSignal | undefined,
): AsyncGenerator<Output, void, undefined> {
  let failure: ServiceError | null = null
  call.on('error', error => {
    failure ??= error
  })
  const finished = new Promise<void>(resolve => {
    call.on('status', resolve)
  })
  const cancel = () => call.cancel()
  if (signal?.aborted) cancel()
  else signal?.addEventListener('abort', cancel, { once: true })
  return (async function* () {
    try {
      try {
        for await (const message of call) yield message as Output
      } catch (error) {
        failure ??= error as ServiceError
      }
      if (failure === null) await finished
      if (failure !== null) throw toCallError(failure)
    } finally {
      signal?.removeEventListener('abort', cancel)
      call.cancel()
    }
  })()
}
