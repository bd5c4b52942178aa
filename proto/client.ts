import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type CallOptions, type ClientDuplexStream, Metadata } from '@grpc/grpc-js'
import { FaultError, StartFailedError, TransportError, toCallError } from './call-error.ts'
import { answers, cancelledBy } from './client/answers.ts'
import { Channel } from './client/channel.ts'
import { type ExecuteCall, executeCall } from './client/execute-call.ts'
import { GovernedProcess } from './client/governed-process.ts'
import { LastingCall, type ReattachOptions } from './client/lasting-call.ts'
import { api, type Method, mayRepeat } from './client/methods.ts'
import { continued, watched } from './client/resume.ts'
import { DEFAULT_RETRY, type RetryOptions, withRetries } from './client/retry.ts'
import type { AttachStartInput } from './generated/writ/v1/AttachStart.ts'
import type { AttestationStatus } from './generated/writ/v1/AttestationStatus.ts'
import type { ExecuteStartInput } from './generated/writ/v1/ExecuteStart.ts'
import type { ExecuteStarted } from './generated/writ/v1/ExecuteStarted.ts'
import type { Execution } from './generated/writ/v1/Execution.ts'
import type { GetReceiptRequestInput } from './generated/writ/v1/GetReceiptRequest.ts'
import type { GetReportRequestInput } from './generated/writ/v1/GetReportRequest.ts'
import type { ReadEntriesResponse } from './generated/writ/v1/ReadEntriesResponse.ts'

export {
  CallError,
  type CallErrorCode,
  DenialError,
  FaultError,
  StartFailedError,
  TransportError,
  type TransportErrorCode,
} from './call-error.ts'
export type { ExecuteCall } from './client/execute-call.ts'
export type { GovernedProcess } from './client/governed-process.ts'
export type { ReattachOptions } from './client/lasting-call.ts'
export { api, type Method, type MethodName, REPEAT, type Repeat } from './client/methods.ts'
export type { RetryOptions } from './client/retry.ts'

/** Where `writd` listens unless its configuration says otherwise. */
export const DEFAULT_SOCKET = '/run/writ/writd.sock'
/** Where an execution that may be a parent finds a socket of its own, on which it asks for children. Nobody else has anything there. */
export const OWN_SOCKET = '/run/writ/parent.sock'

/** The daemon's socket for this process: that of the execution that it is in, if that has one. */
export function defaultSocket(): string {
  return existsSync(OWN_SOCKET) ? OWN_SOCKET : DEFAULT_SOCKET
}

export interface WritClientOptions {
  /** Most milliseconds for a call that has one answer, its repetitions included. Default 30,000. */
  readonly deadlineMs?: number
  /**
   * How what may be sent again ({@link REPEAT}) is sent again when the connection was lost. Default: 5 attempts, 100 ms apart and
   * doubling to 2 s, with jitter. `{ attempts: 1 }`: never.
   */
  readonly retry?: Partial<RetryOptions>
  /**
   * A daemon that gives no sign of life for this long, and a third more, while a call is under way is taken for lost. Default
   * 30,000.
   */
  readonly keepaliveMs?: number
}

/** What a call may be given. */
export interface CallControl {
  /** Most milliseconds. */
  readonly deadlineMs?: number
  /** Ends the call, which then throws `CANCELLED`. */
  readonly signal?: AbortSignal
}

export interface ExecuteControl extends CallControl {
  /** Most milliseconds until it runs or is denied. Default: the client's deadline for calls with one answer. */
  readonly startWithinMs?: number
  /** How it goes on over a restart of the daemon. False: it does not, and the execution ends with the daemon that started it, or soon after. */
  readonly reattach?: ReattachOptions | false
}

/**
 * One connection to a daemon, made at the first call and made again when it was lost. Every method throws {@link CallError} and nothing
 * else: {@link DenialError}, {@link FaultError}, {@link StartFailedError} or {@link TransportError}. Close it, or the process does
 * not end.
 */
export class WritClient implements Disposable {
  readonly #channel: Channel
  readonly #deadlineMs: number
  readonly #retry: RetryOptions

  /** @param socketPath the daemon's Unix socket */
  constructor(socketPath: string = defaultSocket(), options: WritClientOptions = {}) {
    this.#deadlineMs = options.deadlineMs ?? 30_000
    this.#retry = { ...DEFAULT_RETRY, ...options.retry }
    this.#channel = new Channel(resolve(socketPath), options.keepaliveMs ?? 30_000)
  }

  /** Ends every call that is under way, executions among them, and disconnects. */
  close(): void {
    this.#channel.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /**
   * A call with one request and one answer. Has a deadline always; is repeated after a lost connection if {@link REPEAT} says that it
   * may.
   */
  call<Input, Output>(
    method: Method<Input, Output>,
    request: Input,
    options: CallControl = {},
  ): Promise<Output> {
    const { signal, deadlineMs = this.#deadlineMs } = options
    const attempt = (leftMs: number) => this.#once(method, request, leftMs, signal)
    if (!mayRepeat(method.path, request)) return attempt(deadlineMs)
    return withRetries(attempt, this.#retry, deadlineMs, signal)
  }

  /**
   * A call with one request and a stream of answers, once, without a deadline unless one is given. Leaving the loop ends the call.
   * While no answer is asked for, the daemon is held back.
   */
  async *read<Input, Output>(
    method: Method<Input, Output>,
    request: Input,
    options: CallControl = {},
  ): AsyncGenerator<Output, void, undefined> {
    if (options.signal?.aborted) throw cancelledBy(options.signal)
    const call = this.#channel.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      deadlineOf(options.deadlineMs),
    )
    yield* answers<Output>(this.#channel.track(call), options.signal)
  }

  /**
   * Asks for a decision on a workload, and runs it. Is sent once, whatever happens; goes on when the daemon is restarted under it. Without a deadline
   * unless one is given; the signal, and the deadline, end the execution by dropping the call ({@link GovernedProcess.kill} waits for its end instead).
   */
  execute(start: ExecuteStartInput, options: ExecuteControl = {}): GovernedProcess {
    const dropped = new AbortController()
    const { signal = dropped.signal, startWithinMs = this.#deadlineMs } = options
    const call = this.executeCall(start, { ...options, signal: AbortSignal.any([signal, dropped.signal]) })
    return new GovernedProcess(call, {
      terminate: executionId => this.call(api.execution.Terminate, { executionId }),
      drop: error => dropped.abort(error),
      startWithinMs,
    })
  }

  /**
   * Starts a workload that goes on without its caller, and resolves once it runs. Its artifact has to sign that. Is sent once, whatever
   * happens.
   *
   * @throws StartFailedError, DenialError and every other {@link CallError}
   */
  async detach(start: ExecuteStartInput, options: CallControl = {}): Promise<ExecuteStarted> {
    const { deadlineMs = this.#deadlineMs } = options
    const workload = { ...start.workload, detach: true }
    const call = this.executeCall({ ...start, workload }, { ...options, deadlineMs })
    call.endStdin()
    let started: ExecuteStarted | null = null
    for await (const answer of call.answers) {
      if (answer.message === 'started') started = answer.started ?? null
      else if (answer.message === 'ended' && answer.ended) throw new StartFailedError(answer.ended)
    }
    if (started === null) throw new TransportError('OTHER', 'the daemon did not say whether it runs')
    return started
  }

  /** {@link WritClient.execute} message by message, in the order in which the daemon sends them, and without `startWithinMs`. */
  executeCall(start: ExecuteStartInput, options: ExecuteControl = {}): ExecuteCall {
    const { signal, deadlineMs, reattach = {} } = options
    const until = deadlineOf(deadlineMs)
    const { Execute, Attach } = api.execution
    const execute = () => executeCall(this.#open(Execute, until), { start }, signal)
    if (reattach === false) return execute()
    const attach = (claim: AttachStartInput) =>
      executeCall(this.#open(Attach, until), { start: claim }, signal)
    return new LastingCall({ execute, attach, retry: this.#retry, signal }, reattach)
  }

  /** A call with streams either way, on the connection that there is now. */
  #open<Input, Output>(method: Method<Input, Output>, until: CallOptions): ClientDuplexStream<Input, Output> {
    const { path, requestSerialize, responseDeserialize } = method
    const { client } = this.#channel
    return this.#channel.track(
      client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata(), until),
    )
  }

  /** The executions that the caller may see, newest first, page by page. */
  async *executions(
    options: CallControl & { readonly includeEnded?: boolean } = {},
  ): AsyncGenerator<Execution, void, undefined> {
    const { includeEnded = false, ...control } = options
    for (let pageToken = ''; ; ) {
      const page = await this.call(api.execution.List, { includeEnded, pageToken }, control)
      yield* page.executions
      pageToken = page.nextPageToken
      if (pageToken === '') return
    }
  }

  /**
   * The trust gate's status now and after each change, until the loop is left or the signal aborts. null: the daemon cannot be reached;
   * what it said before is not to be relied on. It is asked again until it answers.
   */
  async *watchStatus(
    options: Pick<CallControl, 'signal'> = {},
  ): AsyncGenerator<AttestationStatus | null, void, undefined> {
    const open = () => this.read(api.attestation.WatchStatus, {}, options)
    for await (const answer of watched(open, () => false, this.#retry, options.signal)) {
      if (answer === null || answer.status !== null) yield answer?.status ?? null
    }
  }

  /**
   * One execution now and after each change, to its end. null: the daemon cannot be reached now; it is asked again until it
   * answers. A daemon that was started anew may not know the execution any longer, and says NOT_FOUND.
   */
  async *watchExecution(
    executionId: string,
    options: Pick<CallControl, 'signal'> = {},
  ): AsyncGenerator<Execution | null, void, undefined> {
    const open = () => this.read(api.execution.Watch, { executionId }, options)
    const ended = (answer: { execution: Execution | null }) =>
      answer.execution?.state === 'EXECUTION_STATE_ENDED'
    for await (const answer of watched(open, ended, this.#retry, options.signal)) {
      if (answer === null || answer.execution !== null) yield answer?.execution ?? null
    }
  }

  /** Entries of the lineage from `from` up to, not including, `to` (0: to its end). Goes on where a lost connection cut it. */
  entries(
    range: { readonly from: bigint | number; readonly to?: bigint | number },
    options: Pick<CallControl, 'signal'> = {},
  ): AsyncGenerator<ReadEntriesResponse, void, undefined> {
    const to = String(range.to ?? 0)
    const open = (last: ReadEntriesResponse | null) => {
      const from = last === null ? BigInt(range.from) : BigInt(last.index) + 1n
      return this.read(api.lineage.ReadEntries, { from: String(from), to }, options)
    }
    return continued(open, this.#retry, options.signal)
  }

  /**
   * The blob of this SHA-256 digest (hexadecimal). Has the deadline of a call with one answer.
   *
   * @throws FaultError `DIGEST_MISMATCH` when other bytes come, or more than `maxBytes`
   */
  blob(digest: string, options: CallControl & { readonly maxBytes?: number } = {}): Promise<Buffer> {
    const { signal, deadlineMs = this.#deadlineMs, maxBytes = 256 * 1024 * 1024 } = options
    const attempt = async (leftMs: number) => {
      const bytes = await this.#whole(api.lineage.GetBlob, { digest }, maxBytes, leftMs, signal)
      if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes
      throw new FaultError('DIGEST_MISMATCH', 'the blob is not the one of this digest', 'DATA_LOSS', digest)
    }
    return withRetries(attempt, this.#retry, deadlineMs, signal)
  }

  /**
   * A report of the host as a file (docs/report.md), not verified. Has the deadline of a call with one answer.
   *
   * @param request `nonce`: 32 bytes that were never used before
   * @throws TransportError `TOO_LARGE` when more than `maxBytes` come
   */
  report(
    request: GetReportRequestInput,
    options: CallControl & { readonly maxBytes?: number } = {},
  ): Promise<Buffer> {
    const { signal, deadlineMs = this.#deadlineMs, maxBytes = 128 * 1024 * 1024 } = options
    const attempt = (leftMs: number) =>
      this.#whole(api.attestation.GetReport, request, maxBytes, leftMs, signal)
    return withRetries(attempt, this.#retry, deadlineMs, signal)
  }

  /**
   * The receipt of an execution that has ended as a file (docs/receipt.md), not verified. Waits for a checkpoint that covers the end, so the
   * default deadline is twice that of a call with one answer.
   *
   * @throws TransportError `TOO_LARGE` when more than `maxBytes` come
   */
  receipt(
    request: GetReceiptRequestInput,
    options: CallControl & { readonly maxBytes?: number } = {},
  ): Promise<Buffer> {
    const { signal, deadlineMs = 2 * this.#deadlineMs, maxBytes = 32 * 1024 * 1024 } = options
    const attempt = (leftMs: number) =>
      this.#whole(api.execution.GetReceipt, request, maxBytes, leftMs, signal)
    return withRetries(attempt, this.#retry, deadlineMs, signal)
  }

  /** All that comes in pieces. */
  async #whole<Input>(
    method: Method<Input, { readonly chunk: Buffer }>,
    request: Input,
    maxBytes: number,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    const chunks: Buffer[] = []
    let size = 0
    const control = { deadlineMs, ...(signal === undefined ? {} : { signal }) }
    for await (const { chunk } of this.read(method, request, control)) {
      size += chunk.length
      if (size > maxBytes) throw new TransportError('TOO_LARGE', `more than ${maxBytes} bytes come`)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  #once<Input, Output>(
    method: Method<Input, Output>,
    request: Input,
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<Output> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw cancelledBy(signal)
      const cancel = () => call.cancel()
      const call = this.#channel.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, answer) => {
          signal?.removeEventListener('abort', cancel)
          if (error) reject(signal?.aborted ? cancelledBy(signal) : toCallError(error))
          else if (answer === undefined) reject(new TransportError('OTHER', 'no answer'))
          else resolve(answer)
        },
      )
      this.#channel.track(call)
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }
}

function deadlineOf(ms: number | undefined): CallOptions {
  return ms === undefined ? {} : { deadline: Date.now() + ms }
}
