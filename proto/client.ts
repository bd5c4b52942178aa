import { type CallOptions, Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import { WritError } from '../encoding/error.ts'
import { DETAILS_TRAILER, type DenialReason, decodeErrorDetail } from './error-details.ts'
import type { ExecuteResponse } from './generated/writ/v1/ExecuteResponse.ts'
import type { ExecuteStartInput } from './generated/writ/v1/ExecuteStart.ts'
import { writV1 } from './load.ts'

/**
 * What became of a call that did not succeed. `DENIED`: decided, and denied; `FAULT`: the daemon says what is wrong, with a
 * code of its own; the others: the call never got that far.
 */
export type CallErrorCode =
  | 'DENIED'
  | 'FAULT'
  | 'UNAVAILABLE'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'UNIMPLEMENTED'
  | 'OTHER'

/** A call to the daemon that failed. */
export class CallError extends WritError<CallErrorCode> {
  /** Name of the gRPC status, such as `PERMISSION_DENIED`. */
  readonly status: string
  /** Every reason of a denial; empty unless `code` is `DENIED`. */
  readonly reasons: readonly DenialReason[]
  /** Position of the decision in the lineage, if it has one. */
  readonly decisionIndex: bigint | null
  /** The daemon's own code; null unless `code` is `FAULT`. */
  readonly faultCode: string | null

  constructor(code: CallErrorCode, message: string, more: CallErrorFields) {
    super(code, message, { at: more.at, cause: more.cause })
    this.status = more.status
    this.reasons = more.reasons ?? []
    this.decisionIndex = more.decisionIndex ?? null
    this.faultCode = more.faultCode ?? null
  }
}

interface CallErrorFields {
  status: string
  reasons?: readonly DenialReason[]
  decisionIndex?: bigint | undefined
  faultCode?: string
  at?: string | undefined
  cause?: unknown
}

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

const PLAIN_CODES: Partial<Record<number, CallErrorCode>> = {
  [status.UNAVAILABLE]: 'UNAVAILABLE',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.CANCELLED]: 'CANCELLED',
  [status.UNIMPLEMENTED]: 'UNIMPLEMENTED',
}

/** An error of grpc-js to ours, with the structured detail if the answer carries one that agrees with its status. */
function toCallError(error: ServiceError): CallError {
  const name = status[error.code] ?? 'UNKNOWN'
  const raw = error.metadata?.get(DETAILS_TRAILER)[0]
  const detail = Buffer.isBuffer(raw) ? decodeErrorDetail(raw, error.code) : null
  if (detail?.kind === 'denial') {
    return new CallError('DENIED', detail.reasons.map(r => `${r.code}: ${r.message}`).join('; '), {
      status: name,
      reasons: detail.reasons,
      decisionIndex: detail.decisionIndex,
    })
  }
  if (detail?.kind === 'fault') {
    return new CallError('FAULT', detail.message, { status: name, faultCode: detail.code, at: detail.at })
  }
  return new CallError(PLAIN_CODES[error.code] ?? 'OTHER', error.details || error.message, {
    status: name,
    cause: error,
  })
}
