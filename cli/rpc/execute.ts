import type { Readable } from 'node:stream'
import { api, CallError, type ExecuteCall, StartFailedError, type WritClient } from '../../proto/client.ts'
import type { ExecuteStartInput } from '../../proto/generated/writ/v1/ExecuteStart.ts'
import type { ExecuteStarted } from '../../proto/generated/writ/v1/ExecuteStarted.ts'
import type { ExecutionEnd } from '../../proto/generated/writ/v1/ExecutionEnd.ts'
import { CliError } from '../error.ts'
import { dieOf, HANDED_ON, type HandedOn } from '../signals.ts'
import { readersGone, writeTo } from '../streams.ts'
import type { CallersTerminal } from '../terminal.ts'

export interface ExecuteOptions {
  /** The caller's, if the workload has one. */
  readonly terminal: CallersTerminal | null
  /** Told of output that was lost over a restart of the daemon: how many bytes, or null where nobody knows. */
  readonly onLostOutput: (bytes: number | null) => void
  /** Most milliseconds that a restart of the daemon may take. Default: the client's. */
  readonly withinMs?: number
}

export interface ExecuteResult {
  started: ExecuteStarted
  ended: ExecutionEnd
}

/**
 * Runs a workload in this process's place: its standard streams are the workload's, bytes pass as they are, nothing is read faster than
 * the other side takes it, signals go to the workload's first process, and a reader of the output who has gone is gone for the workload.
 * A signal that comes before it runs ends the call, and this process. A restart of the daemon that keeps the workload is not seen from outside: what
 * comes meanwhile waits.
 *
 * @throws CallError, CliError
 */
export async function execute(
  daemon: WritClient,
  start: ExecuteStartInput,
  { terminal, onLostOutput, withinMs }: ExecuteOptions,
): Promise<ExecuteResult> {
  const terminalSize = () => terminal?.size ?? null
  const call = daemon.executeCall(
    { ...start, terminalSize: terminalSize() },
    {
      reattach: {
        terminalSize,
        onLostOutput,
        onAway: () => {
          control.hold()
          away ??= new Date()
        },
        ...(withinMs === undefined ? {} : { withinMs }),
      },
    },
  )
  const input = sendInput(call, process.stdin)
  const control = new Control(daemon, call, terminal)
  let started: ExecuteStarted | undefined
  let ended: ExecutionEnd | undefined
  /** Since when no daemon has the execution. */
  let away: Date | null = null
  try {
    for await (const response of call.answers) {
      if (response.message === 'started' && response.started) {
        started = response.started
        control.begin(started.executionId)
        input.begin()
      } else if (response.message === 'handedOver') control.hold()
      else if (response.message === 'attached') {
        away = null
        control.goOn()
      } else if (response.message === 'stdout') await writeTo(process.stdout, response.stdout ?? '')
      else if (response.message === 'stderr') await writeTo(process.stderr, response.stderr ?? '')
      else if (response.message === 'stdinClosed') input.stop()
      else if (response.message === 'ended') ended = response.ended ?? undefined
    }
  } catch (error) {
    if (started !== undefined && away !== null) throw notTakenBack(error, started.executionId, away)
    const signal = control.interruptedBy
    if (signal === null || !(error instanceof CallError) || error.code === 'DENIED') throw error
    await dieOf(signal)
    throw new CliError('REQUEST_FAILED', 'interrupted before it was started', { cause: error })
  } finally {
    input.stop()
    control.end()
  }
  if (ended === undefined) {
    throw new CliError('REQUEST_FAILED', 'the daemon did not say how the execution ended', {
      next: 'Look at `writ status` and `writ lineage tail`.',
    })
  }
  if (started === undefined) throw new StartFailedError(ended)
  return { started, ended }
}

/** No daemon came in time for what the last one has left behind; what else went wrong is what it is. */
function notTakenBack(error: unknown, executionId: string, since: Date): unknown {
  if (!(error instanceof CallError) || error.status !== 'UNAVAILABLE') return error
  return new CliError(
    'DAEMON_UNREACHABLE',
    `writd left at ${since.toISOString()}, and no daemon has gone on with the program since`,
    {
      cause: error,
      lines: [
        `execution ${executionId}`,
        'it was handed over, and is ended with its lease: attestation.max_evidence_age_seconds after writd left at the latest',
      ],
      next: `Its end is in the lineage once writd is back: \`writ explain ${executionId}\`.`,
      detail: { executionId, away: since.toISOString() },
    },
  )
}

/** Signals that are held over a restart. A standard signal that is pending already is not made pending again either (signal(7)). */
const MOST_HELD = 64

/** What goes to the execution beside its input. */
class Control {
  readonly #daemon: WritClient
  readonly #call: ExecuteCall
  readonly #terminal: CallersTerminal | null
  readonly #handlers = HANDED_ON.map(name => ({ name, handler: () => this.#onSignal(name) }))
  #executionId = ''
  /** Signals that wait for the daemon; null while there is one. */
  #held: HandedOn[] | null = null
  /** The signal that came before the program ran. */
  interruptedBy: NodeJS.Signals | null = null

  constructor(daemon: WritClient, call: ExecuteCall, terminal: CallersTerminal | null) {
    this.#daemon = daemon
    this.#call = call
    this.#terminal = terminal
    for (const { name, handler } of this.#handlers) process.on(name, handler)
  }

  /** It runs. */
  begin(executionId: string): void {
    this.#executionId = executionId
    this.#terminal?.enter(size => this.#send(this.#daemon.call(api.execution.Resize, { executionId, size })))
    for (const [name, signal] of Object.entries(readersGone)) {
      if (signal.aborted) this.#readerGone(name)
      else signal.addEventListener('abort', () => this.#readerGone(name), { once: true })
    }
  }

  /** The daemon is restarted: nobody passes a signal on. */
  hold(): void {
    this.#held ??= []
  }

  /** The execution is this process's again. */
  goOn(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const name of held) this.#pass(name)
    for (const [name, signal] of Object.entries(readersGone)) if (signal.aborted) this.#readerGone(name)
  }

  end(): void {
    this.#executionId = ''
    this.#terminal?.leave()
    for (const { name, handler } of this.#handlers) process.off(name, handler)
  }

  #onSignal(name: HandedOn): void {
    const executionId = this.#executionId
    if (executionId === '') {
      this.interruptedBy ??= name
      this.#call.cancel()
      return
    }
    if (this.#held === null) this.#pass(name)
    else this.#hold(name)
  }

  #pass(name: HandedOn): void {
    const signal = `SIGNAL_${name.slice(3) as 'HUP'}` as const
    this.#daemon
      .call(api.execution.Signal, { executionId: this.#executionId, signal })
      .catch((error: CallError) => {
        // Of a daemon that is on its way out nobody knows whether it passed the signal on: twice is better than never.
        if (error.status === 'UNAVAILABLE') this.#hold(name)
      })
  }

  #hold(name: HandedOn): void {
    this.#held ??= []
    if (this.#held.length < MOST_HELD) this.#held.push(name)
  }

  #readerGone(name: string): void {
    const executionId = this.#executionId
    if (executionId === '') return
    const stream = name === 'stdout' ? 'OUTPUT_STREAM_STDOUT' : 'OUTPUT_STREAM_STDERR'
    this.#send(this.#daemon.call(api.execution.CloseOutput, { executionId, stream }))
  }

  /** What goes wrong with it shows in the call itself, or is that the program has ended meanwhile. */
  #send(sent: Promise<unknown>): void {
    sent.catch(() => {})
  }
}

/** Sends the input, one piece at a time; its end, or that it cannot be read, is the end of the workload's input. */
function sendInput(call: ExecuteCall, input: Readable): { begin: () => void; stop: () => void } {
  let stopped = false
  const send = async () => {
    try {
      for await (const chunk of input) {
        if (stopped) return
        await call.stdin(chunk as Buffer)
      }
    } catch {
      // A directory or a closed descriptor as standard input is an empty one.
    }
    if (!stopped) call.endStdin()
  }
  return {
    // Not before: what is typed at a terminal while it is still an ordinary one is the shell's.
    begin: () => void send(),
    stop: () => {
      stopped = true
      call.endStdin()
      // An open terminal or pipe would keep this process alive.
      input.destroy()
    },
  }
}
