import type { Logger } from 'pino'
import type { ExecutionEndInput } from '../proto/generated/writ/v1/ExecutionEnd.ts'
import { DeniedError } from './core.ts'
import { endMessage, untoldEnd } from './execution-end.ts'
import { recordEnd } from './execution-entries.ts'
import type { ExecutionRegistry } from './execution-registry.ts'
import type { TrustGate } from './gate.ts'
import type { LaunchEnded, LauncherClient } from './launcher/client.ts'
import { LauncherError } from './launcher/error.ts'
import { type Recorder, recordedReason, rfc3339 } from './recorder.ts'
import type { RecordedStreams } from './stream-digests.ts'

export interface EndingsOptions {
  readonly launcher: LauncherClient
  readonly registry: ExecutionRegistry
  readonly recorder: Recorder
  readonly gate: TrustGate
  readonly bootNs: () => bigint
  readonly wallMs: () => number
  readonly log: Logger
}

/** How long the launcher has to say how something ended that was never let run, in milliseconds. */
const NOT_STARTED_MS = 2000

interface Waiting {
  /** Entry of its permit. */
  readonly decision: bigint
  readonly ended: (end: LaunchEnded) => void
  killAskedNs: bigint | null
  killRecorded: boolean
  /** Nobody waits for its end any more, which belongs into the log all the same. */
  late: boolean
}

/** The ends of executions: who waits for which, when it was asked for, and its entries. A kill never waits for the log. */
export class Endings {
  readonly #o: EndingsOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #endChild: (executionId: string) => void

  /** @param endChild ends what hangs on an execution that has ended */
  constructor(options: EndingsOptions, endChild: (executionId: string) => void) {
    this.#o = options
    this.#endChild = endChild
    options.launcher.on('kill-sent', ({ executionId, cause }) => void this.#killSent(executionId, cause))
    options.launcher.on('ended', end => this.ended(end))
    options.launcher.on('disconnected', () => this.#launcherLost())
  }

  /** Resolves when it has ended, as the launcher saw it. @param decision entry of its permit */
  await(executionId: string, decision: bigint): Promise<LaunchEnded> {
    return new Promise(resolve => {
      const nothing = { killAskedNs: null, killRecorded: false, late: false }
      this.#waiting.set(executionId, { decision, ended: resolve, ...nothing })
    })
  }

  /** Whether its end is waited for. */
  has(executionId: string): boolean {
    return this.#waiting.has(executionId)
  }

  /** When the end of the one was ordered that has been ending for longest (boot clock, ns); null while none is. */
  get oldestAskedNs(): bigint | null {
    let oldest: bigint | null = null
    for (const { killAskedNs } of this.#waiting.values())
      if (killAskedNs !== null && (oldest === null || killAskedNs < oldest)) oldest = killAskedNs
    return oldest
  }

  /** Its end is ordered now, unless it was before. */
  asked(executionId: string): void {
    const waiting = this.#waiting.get(executionId)
    if (waiting !== undefined) waiting.killAskedNs ??= this.#o.bootNs()
  }

  /** Nobody waits for it any more, unless what was late belongs into the log. */
  forget(executionId: string): void {
    if (!this.#waiting.get(executionId)?.late) this.#waiting.delete(executionId)
  }

  /** The launcher has told of an end. */
  ended(end: LaunchEnded): void {
    this.#waiting.get(end.executionId)?.ended(end)
  }

  /**
   * Records an end, and takes it over.
   *
   * @param why what a person is told beside the cause
   * @param streams what went through its streams, if that was asked for
   */
  async conclude(
    executionId: string,
    end: LaunchEnded,
    why = '',
    streams: RecordedStreams | null = null,
  ): Promise<ExecutionEndInput> {
    const waiting = this.#waiting.get(executionId)
    const askedNs = waiting?.killAskedNs ?? null
    const { state } = this.#o.gate.snapshot()
    const message = { ...endMessage(end, askedNs, state, rfc3339(this.#o.wallMs())), message: why }
    // Children end with it: the launcher sees to the processes, this to what is still being made ready.
    for (const child of this.#o.registry.live()) {
      if (child.parentExecutionId === executionId) this.#endChild(child.executionId)
    }
    // An end that nobody has seen is no end: it stays open in the log until the next start of the daemon has looked again.
    if (end.confirmedDead && waiting !== undefined) await this.#recordEnd(waiting, end, streams)
    const { cause, exitCode, signal, confirmedDead } = end
    this.#o.log.info(
      { event: 'execution-ended', executionId, cause, exitCode, signal, confirmedDead },
      'execution ended',
    )
    this.#o.registry.end(executionId, message)
    return message
  }

  /**
   * Something went wrong between a permit and the first instruction; the launcher has been told to let go.
   *
   * @param ended the end, if the launcher tells of one
   * @returns what its caller is told, where the launcher is the reason; null where whoever asks says it himself
   */
  async notStarted(
    executionId: string,
    error: unknown,
    ended: Promise<LaunchEnded>,
  ): Promise<ExecutionEndInput | null> {
    const { launcher, bootNs, log } = this.#o
    const reason = error instanceof LauncherError || error instanceof DeniedError ? error : null
    log.warn(
      { event: 'execution-not-started', executionId, reason: reason?.code ?? 'INTERNAL', err: error },
      'not started',
    )
    // Of one that never had a process the launcher tells nothing.
    const patienceMs = launcher.knows(executionId) ? NOT_STARTED_MS : 0
    const settled = await Promise.race([
      ended,
      new Promise<null>(resolve => setTimeout(resolve, patienceMs, null)),
    ])
    const end = settled ?? untoldEnd(executionId, 'NOT_STARTED', bootNs(), !launcher.knows(executionId))
    if (!end.confirmedDead) this.#recordLate(executionId, ended)
    const why = reason === null ? '' : recordedReason(reason).message
    const message = await this.conclude(executionId, end, why)
    return reason instanceof LauncherError ? message : null
  }

  /** A launcher that takes long over an end tells of it all the same. */
  #recordLate(executionId: string, ended: Promise<LaunchEnded>): void {
    const waiting = this.#waiting.get(executionId)
    if (waiting === undefined) return
    waiting.late = true
    void ended.then(async end => {
      this.#waiting.delete(executionId)
      if (end.confirmedDead) await this.#recordEnd(waiting, end)
    })
  }

  async #killSent(executionId: string, cause: string): Promise<void> {
    const waiting = this.#waiting.get(executionId)
    // What was made ready ahead of its permit has no entry that this could belong to, and no START.
    if (waiting === undefined || waiting.killRecorded) return
    waiting.killRecorded = true
    waiting.killAskedNs ??= this.#o.bootNs()
    this.#o.registry.update(executionId, { state: 'ENDING' })
    const decision = Number(waiting.decision)
    await this.#record(() => this.#o.recorder.record({ type: 'kill-sent', executionId, decision, cause }))
  }

  #recordEnd({ decision }: Waiting, end: LaunchEnded, streams: RecordedStreams | null = null): Promise<void> {
    return this.#record(() => recordEnd(this.#o.recorder, decision, end, streams))
  }

  /** The launcher is gone. Its supervisors end every execution by themselves; nobody will tell us. */
  #launcherLost(): void {
    for (const [executionId, waiting] of this.#waiting)
      waiting.ended(untoldEnd(executionId, 'LAUNCHER_LOST', this.#o.bootNs(), false))
  }

  /** An end that cannot be recorded has happened all the same. */
  async #record(write: () => Promise<unknown>): Promise<void> {
    try {
      await write()
    } catch (error) {
      this.#o.log.error({ err: error }, 'an end could not be recorded')
    }
  }
}
