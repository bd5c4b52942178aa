import { CallError, TransportError } from '../call-error.ts'
import type { Attached } from '../generated/writ/v1/Attached.ts'
import type { AttachStartInput } from '../generated/writ/v1/AttachStart.ts'
import type { ExecuteResponse } from '../generated/writ/v1/ExecuteResponse.ts'
import type { ExecuteStarted } from '../generated/writ/v1/ExecuteStarted.ts'
import type { ExecuteCall, SingleCall } from './execute-call.ts'
import { backoff, pause, type RetryOptions } from './retry.ts'
import { SentBytes } from './sent-bytes.ts'

/** What happens to an execution whose daemon is restarted under it. */
export interface ReattachOptions {
  /** Most milliseconds from the loss of the daemon until its execution is this process's again. Default 120,000. */
  readonly withinMs?: number
  /** Called when its daemon is gone; `attached` among the messages says that there is one again. */
  readonly onAway?: () => void
  /** The size of its terminal by then; null: it has none. */
  readonly terminalSize?: () => AttachStartInput['terminalSize']
  /**
   * Called when output was lost with a connection: how many bytes, or null where nobody knows. By default the call fails, and the execution ends:
   * output that was cut never looks whole.
   */
  readonly onLostOutput?: (bytes: number | null) => void
}

/** What a {@link LastingCall} is made of. */
export interface CallMaker {
  execute(): SingleCall
  /** A call whose first message says this. */
  attach(start: AttachStartInput): SingleCall
  readonly retry: RetryOptions
  readonly signal?: AbortSignal | undefined
}

const WITHIN_MS = 120_000
const STDIN_CHUNK = 64 * 1024

/**
 * One Execute that goes on over restarts of its daemon: what was handed over is attached to again, input that had not arrived is sent again, and the
 * messages go on where they stopped. `handedOver` and `attached` are among them, for whoever wants to know.
 */
export class LastingCall implements ExecuteCall {
  readonly answers: AsyncGenerator<ExecuteResponse, void, undefined>
  readonly #make: CallMaker
  readonly #options: ReattachOptions
  readonly #sent = new SentBytes()
  readonly #over = new AbortController()
  #current: SingleCall
  #started: ExecuteStarted | null = null
  #received = 0
  #ended = false
  /** Whether its daemon is gone, and the next one has not said what it has: nothing is sent before that. */
  #away = false
  /** Resolves when there is another call than the present one, or never will be. */
  #next = Promise.withResolvers<void>()
  /** While input is sent again, before anything else is. */
  #resending: Promise<void> | null = null

  constructor(make: CallMaker, options: ReattachOptions = {}) {
    this.#make = make
    this.#options = options
    this.#current = make.execute()
    this.answers = this.#follow()
  }

  async stdin(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += STDIN_CHUNK) {
      await this.#ready()
      if (this.#ended || this.#over.signal.aborted) return
      const piece = bytes.subarray(at, at + STDIN_CHUNK)
      // In one turn: what is remembered has been sent, or is sent again.
      this.#sent.add(piece)
      await this.#current.stdin(piece)
    }
  }

  endStdin(): void {
    this.#ended = true
    if (!this.#away && this.#resending === null) this.#current.endStdin()
  }

  cancel(): void {
    this.#over.abort(new TransportError('CANCELLED', 'cancelled by the caller'))
    this.#current.cancel()
  }

  /** Resolves when what is sent may arrive, or when nothing ever will any more. */
  async #ready(): Promise<void> {
    while (!this.#over.signal.aborted) {
      if (this.#resending !== null) await this.#resending
      else if (this.#away || this.#current.isOver()) await this.#next.promise
      else return
    }
  }

  async *#follow(): AsyncGenerator<ExecuteResponse, void, undefined> {
    try {
      for (;;) {
        const lost = yield* this.#one()
        if (lost === null) return
        this.#away = true
        this.#options.onAway?.()
        const first = await this.#reattach(lost)
        if (first.message === 'attached' && first.attached) this.#goOn(first.attached)
        this.#away = false
        this.#next.resolve()
        this.#next = Promise.withResolvers()
        yield first
      }
    } finally {
      this.#over.abort()
      this.#next.resolve()
      this.#current.cancel()
    }
  }

  /** The messages of one call. Gives why the execution goes on without it; null if it does not. */
  async *#one(): AsyncGenerator<ExecuteResponse, unknown, undefined> {
    let handedOver = false
    try {
      for await (const answer of this.#current.answers) {
        if (answer.message === 'started') this.#started = answer.started ?? null
        else if (answer.message === 'handedOver') handedOver = this.#canAttach()
        else this.#received += (answer.stdout ?? answer.stderr)?.length ?? 0
        yield answer
      }
    } catch (error) {
      // It may be that only the words of the hand-over were lost.
      if (handedOver || this.#outlives(error)) return error
      throw error
    }
    return handedOver ? 'handed over' : null
  }

  #canAttach(): boolean {
    return (this.#started?.attachToken.length ?? 0) > 0
  }

  /** Whether the execution goes on although its call has failed so. */
  #outlives(error: unknown): boolean {
    if (!this.#canAttach() || !(error instanceof CallError) || error.status !== 'UNAVAILABLE') return false
    // A daemon that says so itself is one that stops in order.
    return this.#started?.outlivesCrash === true || error.faultCode === 'STARTING'
  }

  /** @throws CallError */
  async #reattach(lost: unknown): Promise<ExecuteResponse> {
    const { withinMs = WITHIN_MS, terminalSize } = this.#options
    const { executionId = '', attachToken = Buffer.alloc(0) } = this.#started ?? {}
    const begin = performance.now()
    for (let failures = 0; ; ) {
      try {
        this.#current = this.#make.attach({
          executionId,
          attachToken,
          terminalSize: terminalSize?.() ?? null,
        })
        if (this.#over.signal.aborted) this.#current.cancel()
        const first = await this.#current.answers.next()
        if (!first.done) return first.value
        throw new TransportError('OTHER', 'the daemon did not say that it is attached')
      } catch (error) {
        if (this.#over.signal.aborted) throw this.#over.signal.reason
        if (performance.now() - begin > withinMs) throw lost instanceof CallError ? lost : error
        // A daemon that has not seen yet that the call before is gone says ATTACHED.
        const passing =
          error instanceof CallError && (error.status === 'UNAVAILABLE' || error.faultCode === 'ATTACHED')
        if (!passing) throw lost instanceof CallError && isUnknown(error) ? lost : error
        const { signal } = this.#make
        await pause(
          backoff(++failures, this.#make.retry),
          signal === undefined ? this.#over.signal : AbortSignal.any([signal, this.#over.signal]),
        )
      }
    }
  }

  /** Sends again what had not arrived. @throws TransportError when it cannot be known what that is */
  #goOn({ stdinBytes, outputBytes }: Attached): void {
    const lost = outputBytes === undefined ? null : Number(outputBytes) - this.#received
    if (lost === null || lost > 0) {
      const { onLostOutput } = this.#options
      if (onLostOutput === undefined)
        throw new TransportError(
          'OTHER',
          `${lost ?? 'perhaps some'} bytes of output were lost with the daemon`,
        )
      onLostOutput(lost)
      this.#received += lost ?? 0
    }
    if (stdinBytes === undefined && this.#sent.total > 0)
      throw new TransportError('OTHER', 'nobody knows how much of the input has arrived')
    const there = Number(stdinBytes ?? 0)
    const rest = this.#sent.from(there)
    if (rest === null)
      throw new TransportError('OTHER', 'more of the input is missing than is remembered, or than was sent')
    this.#resend(this.#current, rest)
  }

  /** Nobody waits for it who reads. */
  #resend(call: ExecuteCall, rest: Uint8Array): void {
    const resending = call.stdin(rest).then(() => {
      // Another restart may have come between.
      if (this.#resending !== resending) return
      this.#resending = null
      if (this.#ended) call.endStdin()
    })
    this.#resending = resending
  }
}

/** Nobody of that name, or nobody who may be asked for: says less than what was known of its end before. */
function isUnknown(error: unknown): boolean {
  return error instanceof CallError && error.faultCode === 'NOT_FOUND'
}
