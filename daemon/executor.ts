import type { Logger } from 'pino'
import type { LaunchTerms, Reason, RevocationSet } from '../authorization/index.ts'
import { sha256Hex } from '../encoding/digest.ts'
import type { ExecutionEndInput } from '../proto/generated/writ/v1/ExecutionEnd.ts'
import { Controls } from './controls.ts'
import { type Caller, DeniedError, type ExecuteStreams } from './core.ts'
import { endMessage, lostEnd } from './execution-end.ts'
import { recordEnd, recordStart } from './execution-entries.ts'
import { type ExecutionRegistry, isLetRun } from './execution-registry.ts'
import type { TrustGate } from './gate.ts'
import type { History } from './history/history.ts'
import { isRevoked } from './is-revoked.ts'
import { lookOnceMore } from './last-look.ts'
import type { LaunchEnded, LauncherClient, Prepared } from './launcher/client.ts'
import { LauncherError } from './launcher/error.ts'
import { makeReady } from './make-ready.ts'
import type { OutputTails } from './output-tails.ts'
import type { OwnSocket, OwnSocketOf } from './own-socket.ts'
import type { Decided, Permit, RunPermit } from './permit.ts'
import { Input, Output } from './pump.ts'
import { type Recorder, recordedReason, rfc3339 } from './recorder.ts'
import { type RecordedStreams, StreamDigests } from './stream-digests.ts'
import { tellStarted } from './tell-started.ts'
import type { WallClock } from './wall-clock.ts'

/** Why `writd` itself ends an execution. */
export type EndOrder = 'TERMINATED' | 'REVOKED' | 'OUTPUT_LIMIT' | 'CALLER_GONE' | 'DAEMON' | 'DENIED'

export interface ExecutorOptions {
  readonly launcher: LauncherClient
  readonly registry: ExecutionRegistry
  readonly tails: OutputTails
  readonly recorder: Recorder
  readonly gate: TrustGate
  readonly history: History
  /** Why what was permitted would not be permitted now; empty if it would. */
  readonly reconsider: (permit: Permit, caller: Caller) => readonly Reason[]
  readonly bootNs: () => bigint
  readonly wallMs: () => number
  readonly clock: Pick<WallClock, 'now'>
  readonly maxEvidenceAgeNs: bigint
  /** The host's own limit on what an execution writes to stdout and stderr together. */
  readonly maxOutputBytes: number
  /** Serves on the own socket of an execution: what comes in there from its processes is its child. */
  readonly openSocket: (execution: OwnSocketOf) => Promise<OwnSocket>
  readonly log: Logger
}

/** Of a terminal whose caller does not say its own (DEC VT100, as everywhere). */
const USUAL_SIZE = { rows: 24, columns: 80 }

interface Waiting {
  /** Entry of its permit. */
  readonly decision: bigint
  readonly ended: (end: LaunchEnded) => void
  killAskedNs: bigint | null
  killRecorded: boolean
  /** Nobody waits for its end any more, which belongs into the log all the same. */
  late: boolean
}

/**
 * Runs what was permitted: made ready and frozen → START durable → everything that may have lapsed looked at once more →
 * released. What lapsed in between never runs an instruction. A kill never waits for the log; a start always does.
 */
export class Executor {
  readonly #o: ExecutorOptions
  readonly #waiting = new Map<string, Waiting>()
  /** Signals, sizes and streams of what runs. */
  readonly controls: Controls

  constructor(options: ExecutorOptions) {
    this.#o = options
    this.controls = new Controls((id, signal) => options.launcher.signal(id, signal))
    options.launcher.on('kill-sent', ({ executionId, cause }) => void this.#killSent(executionId, cause))
    options.launcher.on('ended', end => this.#waiting.get(end.executionId)?.ended(end))
    options.launcher.on('disconnected', () => this.#launcherLost())
  }

  /**
   * Makes ready what was permitted, in a frozen cgroup, while its permit is made durable. Nothing of it runs until {@link run} lets it; what has no
   * durable permit is abandoned.
   */
  makeReady(decided: Decided): Promise<Prepared> {
    const prepared = makeReady(decided, this.#o)
    // Whoever runs it hears of it.
    prepared.catch(() => undefined)
    return prepared
  }

  /**
   * Runs one permitted execution and resolves when all its processes are dead and that is recorded.
   *
   * @throws DeniedError when something lapsed before the first instruction; LauncherError when it could not be started
   */
  async run(
    { ahead, ...permit }: RunPermit,
    caller: Caller,
    streams: ExecuteStreams,
    signal: AbortSignal,
  ): Promise<ExecutionEndInput> {
    const { executionId } = permit.input.request
    const terms = this.#register(permit, caller)
    const ended = this.#awaitEnd(executionId, permit.index)
    const onAbort = () => this.kill(executionId, 'CALLER_GONE')
    const digests = streams.digest ? new StreamDigests(signal) : null
    let output: Output | null = null
    let socket: OwnSocket | null = null
    try {
      const prepared = await (ahead ?? makeReady(permit, this.#o))
      const { pid, uid, cgroup } = prepared
      this.#o.registry.update(executionId, { pid, uid, cgroup })
      socket = await this.#openSocket(executionId, prepared)
      await recordStart(this.#o, permit, prepared)
      lookOnceMore(
        permit,
        this.#o,
        () => this.endRevoked(),
        () => this.#o.reconsider(permit, caller),
      )
      if (signal.aborted) throw new LauncherError('ENDED', 'the caller is gone')
      signal.addEventListener('abort', onAbort, { once: true })
      prepared.resize?.(streams.terminalSize ?? USUAL_SIZE)
      await this.#o.launcher.start(executionId, BigInt(permit.input.gate.epoch))
      this.controls.add(executionId, prepared)
      output = this.#connect(executionId, terms, prepared, streams, digests)
      this.#isRunning(executionId)
      tellStarted(this.#o.log, permit, prepared)
      await streams.started({
        executionId,
        decisionIndex: String(permit.index),
        artifactDigest: permit.decision.artifactDigest ?? '',
        epoch: String(permit.input.gate.epoch),
      })
      output.begin()
      const end = await ended
      const message = await this.#conclude(executionId, end, '', (await digests?.settle()) ?? null)
      await output.finished()
      return message
    } catch (error) {
      if (output !== null) {
        // It runs, and there is nobody that it could run for: what is let go of runs on.
        this.kill(executionId, 'CALLER_GONE')
        output.discard()
        await this.#conclude(executionId, await ended)
        throw error
      }
      this.#o.launcher.abandon(executionId)
      const failed = await this.#notStarted(executionId, error, ended)
      if (error instanceof DeniedError) throw error
      if (failed !== null) return failed
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
      socket?.close()
      if (!this.#waiting.get(executionId)?.late) this.#waiting.delete(executionId)
      this.controls.remove(executionId)
      this.#o.tails.end(executionId)
    }
  }

  /**
   * Orders an end, which is that of all below it: one order, by which the launcher kills them together. Returns at once; the ends themselves are the
   * launcher's events.
   */
  kill(executionId: string, order: EndOrder): void {
    if (!this.#waiting.has(executionId)) return
    this.#isEnding(executionId)
    for (const below of this.#o.registry.families.below(executionId)) this.#isEnding(below)
    this.#o.launcher.kill(executionId, order)
  }

  #isEnding(executionId: string): void {
    const waiting = this.#waiting.get(executionId)
    if (waiting !== undefined) waiting.killAskedNs ??= this.#o.bootNs()
    this.#o.registry.update(executionId, { state: 'ENDING' })
  }

  /**
   * The gate closed: everything of this epoch and earlier ones ends. Called before anything is written anywhere.
   *
   * @param hold what may be frozen is frozen instead
   */
  lapse(epoch: bigint, hold: boolean): void {
    const now = this.#o.bootNs()
    this.#o.launcher.lapse(epoch, hold)
    const hit = this.#o.registry.live().filter(execution => execution.epoch <= epoch)
    if (hit.length > 0)
      this.#o.log.warn({ event: 'lapse', epoch: String(epoch), executions: hit.length }, 'the lease ended')
    for (const execution of this.#o.registry.live()) {
      if (execution.epoch > epoch) continue
      // That it stands still is told by the launcher.
      if (hold && execution.terms.onLapse !== 'kill' && isLetRun(execution.state)) continue
      const waiting = this.#waiting.get(execution.executionId)
      if (waiting !== undefined) waiting.killAskedNs ??= now
      this.#o.registry.update(execution.executionId, { state: 'ENDING' })
    }
  }

  /** Ends whatever these revocations (by default those in force) hit now, with all that descends from it. Returns the ids. */
  endRevoked(revocations: RevocationSet = this.#o.history.revocations): string[] {
    const { registry, history } = this.#o
    const live = registry.live()
    const policyDigest = history.policy?.digest ?? null
    const hit = new Set(
      live.filter(execution => isRevoked(execution, revocations, policyDigest)).map(it => it.executionId),
    )
    // A parent that has ended may be the one that is named.
    const ending = live
      .map(({ executionId }) => ({ executionId, line: registry.lineOf(executionId) }))
      .filter(({ line }) => line.some(id => hit.has(id) || revocations.has('execution', id)))
      .map(({ executionId }) => executionId)
    for (const executionId of ending) this.kill(executionId, 'REVOKED')
    return ending
  }

  /** Ends everything, for an orderly stop; resolves when all are dead or after `withinMs`. */
  async endAll(withinMs: number): Promise<void> {
    for (const { executionId } of this.#o.registry.live()) this.kill(executionId, 'DAEMON')
    const deadline = Date.now() + withinMs
    while (this.#o.registry.liveCount > 0 && Date.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }

  #register(permit: Permit, caller: Caller): LaunchTerms {
    const { input, decision, index } = permit
    const { terms } = decision
    if (terms === null) throw new Error('a permit has terms')
    const { executionId } = input.request
    const parent = caller.parentExecution
    // First: whose it is is asked as soon as there is one.
    this.#o.history.own(executionId, { callerUid: caller.uid, parentExecutionId: parent })
    this.#o.registry.add({
      executionId,
      callerUid: caller.uid,
      parentExecutionId: parent,
      artifactDigest: decision.artifactDigest ?? '',
      issuer: decision.statement?.predicate.issuer ?? '',
      signed: decision.signed,
      terms,
      epoch: BigInt(input.gate.epoch),
      decisionIndex: index,
      decisionRecord: sha256Hex(decision.record),
      permittedTime: input.clock.now,
      origin: { permit, caller },
    })
    // That of a detached one is in files.
    if (!terms.detach) this.#o.tails.open(executionId)
    return terms
  }

  /** Before it runs, so that it can never find a socket on which nobody answers. */
  async #openSocket(executionId: string, { socket, uid, cgroup }: Prepared): Promise<OwnSocket | null> {
    const descriptor = socket?.take() ?? null
    return descriptor === null ? null : await this.#o.openSocket({ descriptor, executionId, uid, cgroup })
  }

  /** An end that was ordered while it was started stays ordered. */
  #isRunning(executionId: string): void {
    const { registry, wallMs } = this.#o
    const state = registry.get(executionId)?.state === 'PREPARING' ? ({ state: 'RUNNING' } as const) : {}
    registry.update(executionId, { ...state, startedTime: rfc3339(wallMs()) })
  }

  #awaitEnd(executionId: string, decision: bigint): Promise<LaunchEnded> {
    return new Promise(resolve => {
      const nothing = { killAskedNs: null, killRecorded: false, late: false }
      this.#waiting.set(executionId, { decision, ended: resolve, ...nothing })
    })
  }

  #connect(
    executionId: string,
    terms: LaunchTerms,
    prepared: Prepared,
    streams: ExecuteStreams,
    digests: StreamDigests | null,
  ): Output {
    void new Input(streams, prepared.stdin, digests?.input()).pump()
    const limit = Math.min(terms.limits.outputBytes ?? Number.POSITIVE_INFINITY, this.#o.maxOutputBytes)
    const tail = this.#o.tails.get(executionId)
    return new Output(
      streams,
      prepared,
      limit,
      () => this.kill(executionId, 'OUTPUT_LIMIT'),
      (stream, bytes) => tail?.append(stream, bytes),
      digests === null ? undefined : (name, readable) => digests.output(name, readable),
    )
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

  /**
   * @param why what a person is told beside the cause
   * @param streams what went through its streams, if that was asked for
   */
  async #conclude(
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
      if (child.parentExecutionId === executionId) this.kill(child.executionId, 'DAEMON')
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

  #recordEnd({ decision }: Waiting, end: LaunchEnded, streams: RecordedStreams | null = null): Promise<void> {
    return this.#record(() => recordEnd(this.#o.recorder, decision, end, streams))
  }

  /** Something went wrong between the permit and the first instruction. The launcher has been told to let go. */
  async #notStarted(
    executionId: string,
    error: unknown,
    ended: Promise<LaunchEnded>,
  ): Promise<ExecutionEndInput | null> {
    const reason = error instanceof LauncherError || error instanceof DeniedError ? error : null
    this.#o.log.warn(
      { event: 'execution-not-started', executionId, reason: reason?.code ?? 'INTERNAL', err: error },
      'not started',
    )
    // Of one that never had a process the launcher tells nothing.
    const patienceMs = this.#o.launcher.knows(executionId) ? 2000 : 0
    const settled = await Promise.race([
      ended,
      new Promise<null>(resolve => setTimeout(resolve, patienceMs, null)),
    ])
    const end: LaunchEnded = settled ?? {
      executionId,
      cause: 'NOT_STARTED',
      exitCode: null,
      signal: null,
      rusage: { userUs: 0, systemUs: 0, maxRssKib: 0 },
      bootNs: this.#o.bootNs(),
      confirmedDead: !this.#o.launcher.knows(executionId),
    }
    if (!end.confirmedDead) this.#recordLate(executionId, ended)
    const why = reason === null ? '' : recordedReason(reason).message
    const message = await this.#conclude(executionId, end, why)
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

  /** The launcher is gone. Its supervisors end every execution by themselves; nobody will tell us. */
  #launcherLost(): void {
    for (const [executionId, waiting] of this.#waiting) waiting.ended(lostEnd(executionId, this.#o.bootNs()))
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
