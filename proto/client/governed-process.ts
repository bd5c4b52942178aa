import { type Readable, Writable } from 'node:stream'
import { type CallError, StartFailedError, TransportError } from '../call-error.ts'
import type { ExecuteStarted } from '../generated/writ/v1/ExecuteStarted.ts'
import type { ExecutionEnd } from '../generated/writ/v1/ExecutionEnd.ts'
import type { ExecuteCall } from './execute-call.ts'
import { OutputStream } from './output-stream.ts'

/** What a {@link GovernedProcess} needs of the client. */
export interface ProcessControl {
  /** Orders the end of an execution by its id. */
  terminate(executionId: string): Promise<unknown>
  /** Drops the call; `ended` then rejects with this. */
  drop(error: CallError): void
  /** Most milliseconds until `started` or an error has come. */
  readonly startWithinMs: number
}

/**
 * A workload that was asked for, to be used as a child process of `node:child_process` is: three streams, and promises
 * for its two ends. As with a child process, output that nobody reads holds the program back once the pipes are full:
 * read both streams, or `resume()` the one that does not matter.
 */
export class GovernedProcess implements AsyncDisposable {
  /** Standard input. End it: a program that reads its input waits for that. It is destroyed when the program has ended, or reads no more. */
  readonly stdin: Writable
  /** Standard output. Destroying it drops what still comes; the program goes on. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** The permit is durable and the program runs. Rejects with the {@link CallError} that kept it from that: a denial, {@link StartFailedError}. */
  readonly started: Promise<ExecuteStarted>
  /**
   * Every process of it is dead, and all that they wrote has been received. Rejects with the {@link CallError} that kept this from being
   * known: the same one as `started`, or one of the connection. The daemon ends an execution whose caller is gone.
   */
  readonly ended: Promise<ExecutionEnd>

  readonly #call: ExecuteCall
  readonly #control: ProcessControl
  readonly #out = new OutputStream()
  readonly #err = new OutputStream()
  #executionId: string | null = null
  #over = false

  constructor(call: ExecuteCall, control: ProcessControl) {
    this.#call = call
    this.#control = control
    this.stdout = this.#out
    this.stderr = this.#err
    this.stdin = new Writable({
      highWaterMark: 64 * 1024,
      write: (chunk: Buffer, _encoding, done) => {
        call.stdin(chunk).then(() => done(), done)
      },
      final: done => {
        call.endStdin()
        done()
      },
    })
    // What goes wrong with it shows in `ended`.
    this.stdin.on('error', () => {})
    const started = Promise.withResolvers<ExecuteStarted>()
    this.started = started.promise
    this.ended = this.#follow(started)
    // Whoever awaits one of them need not await the other.
    this.started.catch(() => {})
    this.ended.catch(() => {})
  }

  /** Id of the execution; null before `started`. */
  get executionId(): string | null {
    return this.#executionId
  }

  /**
   * Orders its end: of all its processes, at once, as SIGKILL. `ended` resolves when they are dead. Before `started`, the call is dropped
   * instead, and `ended` rejects. Output that is not read no longer holds anything back.
   */
  kill(): void {
    if (this.#over) return
    this.#out.acceptAll()
    this.#err.acceptAll()
    const drop = (cause?: unknown) =>
      this.#control.drop(new TransportError('CANCELLED', 'killed by the caller', { cause }))
    if (this.#executionId === null) drop()
    else this.#control.terminate(this.#executionId).catch(drop)
  }

  /** Kills it unless it has ended, and waits until that is known. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill()
    await this.ended.catch(() => {})
  }

  /** The call from its first message to its last. */
  async #follow(started: PromiseWithResolvers<ExecuteStarted>): Promise<ExecutionEnd> {
    const late = setTimeout(() => {
      const what = `no decision within ${this.#control.startWithinMs} ms`
      this.#control.drop(new TransportError('DEADLINE_EXCEEDED', what))
    }, this.#control.startWithinMs)
    let ended: ExecutionEnd | null = null
    try {
      for await (const answer of this.#call.answers) {
        if (answer.message === 'started' && answer.started) {
          clearTimeout(late)
          this.#executionId = answer.started.executionId
          started.resolve(answer.started)
        } else if (answer.message === 'stdout' && answer.stdout) await this.#out.accept(answer.stdout)
        else if (answer.message === 'stderr' && answer.stderr) await this.#err.accept(answer.stderr)
        else if (answer.message === 'stdinClosed') this.stdin.destroy()
        else if (answer.message === 'ended') ended = answer.ended ?? null
      }
      if (ended === null) throw unfinished()
      if (this.#executionId === null) throw new StartFailedError(ended)
      this.#finish(null)
      return ended
    } catch (error) {
      started.reject(error)
      this.#finish(error as CallError)
      throw error
    } finally {
      clearTimeout(late)
    }
  }

  #finish(error: CallError | null): void {
    this.#over = true
    this.#out.finish(error)
    this.#err.finish(error)
    this.stdin.destroy()
  }
}

/** The daemon ended the stream as if all were well, and left out what it has to say. */
function unfinished(): TransportError {
  return new TransportError('OTHER', 'the daemon did not say how the execution ended')
}
