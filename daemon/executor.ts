import type { Logger } from 'pino'
import type { LaunchTerms, Reason, RevocationSet } from '../authorization/index.ts'
import { sha256Hex } from '../encoding/digest.ts'
import type { ExecutionEndInput } from '../proto/generated/writ/v1/ExecutionEnd.ts'
import { Controls } from './controls.ts'
import { type Caller, DeniedError, type ExecuteStreams, StartingError } from './core.ts'
import { Endings } from './endings.ts'
import { recordStart } from './execution-entries.ts'
import { type ExecutionRegistry, isLetRun } from './execution-registry.ts'
import type { TrustGate } from './gate.ts'
import { attachDigest, newAttachToken } from './hand-over/attach-token.ts'
import { ATTACH_MS, Attachments, untilOver } from './hand-over/attachments.ts'
import type { KeptExecution } from './hand-over/kept.ts'
import type { History } from './history/history.ts'
import { lookOnceMore } from './last-look.ts'
import type { LaunchEnded, LauncherClient, Prepared } from './launcher/client.ts'
import { LauncherError } from './launcher/error.ts'
import type { Adopted } from './launcher/types.ts'
import { makeReady } from './make-ready.ts'
import type { OutputTails } from './output-tails.ts'
import type { OwnSocket, OwnSocketOf } from './own-socket.ts'
import type { Decided, Permit, RunPermit } from './permit.ts'
import { type Recorder, rfc3339 } from './recorder.ts'
import { revokedOf } from './revoked.ts'
import { type DetachedStreams, Running, type RunningOptions } from './running.ts'
import { StreamDigests } from './stream-digests.ts'
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
  /** How long the caller of what was adopted has to come back, in milliseconds. Default {@link ATTACH_MS}. */
  readonly attachMs?: number
  /** Serves on the own socket of an execution: what comes in there from its processes is its child. */
  readonly openSocket: (execution: OwnSocketOf) => Promise<OwnSocket>
  /** Told of each that runs, from when its output is carried. */
  readonly mayBeKept: (running: Running) => void
  /** Whether what runs goes on when the daemon ends without a word. */
  readonly outlivesCrash: (running: Running) => boolean
  readonly log: Logger
}

const NOTHING_YET = { before: { stdinBytes: 0, outputBytes: 0, inputEnded: false }, noted: 0 }

/** Of a terminal whose caller does not say its own (DEC VT100, as everywhere). */
const USUAL_SIZE = { rows: 24, columns: 80 }

/**
 * Runs what was permitted: made ready and frozen → START durable → everything that may have lapsed looked at once more →
 * released. What lapsed in between never runs an instruction. A kill never waits for the log; a start always does.
 */
export class Executor {
  readonly #o: ExecutorOptions
  readonly endings: Endings
  readonly #running = new Map<string, Running>()
  /** Ends of what an earlier run handed over. */
  readonly #expected = new Map<string, Promise<LaunchEnded>>()
  readonly #adopted = new Set<string>()
  readonly #left = new Set<string>()
  /** Signals, sizes and streams of what runs. */
  readonly controls: Controls
  /** Callers that come back. */
  readonly attachments: Attachments

  constructor(options: ExecutorOptions) {
    this.#o = options
    this.controls = new Controls((id, signal) => options.launcher.signal(id, signal))
    const attachMs = options.attachMs ?? ATTACH_MS
    this.attachments = new Attachments(executionId => this.kill(executionId, 'CALLER_GONE'), attachMs)
    this.endings = new Endings(options, executionId => this.kill(executionId, 'DAEMON'))
  }

  /** What runs, by the execution's id: with streams that are open. */
  get running(): ReadonlyMap<string, Running> {
    return this.#running
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
   * Runs one permitted execution and resolves when all its processes are dead and that is recorded; with null when it was handed over.
   *
   * @throws DeniedError when something lapsed before the first instruction; LauncherError when it could not be started
   */
  async run(
    { ahead, ...permit }: RunPermit,
    caller: Caller,
    streams: ExecuteStreams,
    signal: AbortSignal,
  ): Promise<ExecutionEndInput | null> {
    const { executionId } = permit.input.request
    const terms = this.#register(permit, caller)
    const ended = this.endings.await(executionId, permit.index)
    const onAbort = () => this.kill(executionId, 'CALLER_GONE')
    const digests = streams.digest ? new StreamDigests(signal) : null
    const token = terms.detach || digests !== null ? null : newAttachToken()
    let running: Running | null = null
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
      const attach = token === null ? null : attachDigest(token)
      running = this.#isRunning({ executionId, terms, prepared, socket, attach, ...NOTHING_YET })
      this.attachments.started(running)
      running.connect(streams, digests)
      tellStarted(this.#o.log, permit, prepared)
      await streams.started({
        executionId,
        decisionIndex: String(permit.index),
        artifactDigest: permit.decision.artifactDigest ?? '',
        epoch: String(permit.input.gate.epoch),
        attachToken: token ?? Buffer.alloc(0),
        outlivesCrash: this.#o.outlivesCrash(running),
      })
      running.begin()
      this.#o.mayBeKept(running)
      const over = ended.then(async end =>
        this.endings.conclude(executionId, end, '', (await digests?.settle()) ?? null),
      )
      return await untilOver(running, over, streams)
    } catch (error) {
      if (error instanceof StartingError) throw error
      if (running !== null) {
        // It runs, and there is nobody that it could run for: what is let go of runs on.
        this.kill(executionId, 'CALLER_GONE')
        running.discard()
        await this.endings.conclude(executionId, await ended)
        throw error
      }
      this.#o.launcher.abandon(executionId)
      const failed = await this.endings.notStarted(executionId, error, ended)
      if (error instanceof DeniedError) throw error
      if (failed !== null) return failed
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#leave(executionId, socket)
    }
  }

  /**
   * Waits for the adoption or the end of what an earlier run of the daemon handed over: until then nothing but its old lease keeps it alive.
   */
  expect({ executionId, permit, caller, kept, pid, uid, cgroup, startedTime }: KeptExecution): void {
    this.#register(permit, caller)
    this.#o.registry.update(executionId, { ...{ pid, uid, cgroup, startedTime }, state: 'KEPT' })
    this.attachments.expect({ executionId, ...kept })
    const ended = this.endings.await(executionId, permit.index)
    void ended.then(async end => {
      // Once it is adopted, whoever goes on with it concludes it; from here on nobody does.
      if (this.#adopted.has(executionId)) return
      this.#expected.delete(executionId)
      const message = await this.endings.conclude(executionId, end)
      this.attachments.ended(executionId, message, this.#o.launcher.takeLastOutput(executionId))
      this.#leave(executionId, null)
    })
    this.#expected.set(executionId, ended)
  }

  /**
   * Goes on with what was adopted: its caller has to attach to it, unless it is detached.
   *
   * @param adopted what the launcher gave for it
   * @param detached opens what a detached one is connected to; null for any other
   * @throws what `detached` throws, or the opening of its own socket; it ends then, because nobody would take what it writes. Also when it has ended meanwhile
   */
  async goOn(
    { executionId, terms, kept }: KeptExecution,
    adopted: Adopted,
    epoch: bigint,
    detached: () => Promise<DetachedStreams | null>,
  ): Promise<void> {
    const letGo = () => {
      adopted.release()
      adopted.socket?.destroy()
    }
    const ended = this.#expected.get(executionId)
    if (ended === undefined) {
      letGo()
      throw new Error('it has ended')
    }
    // From now on its end is told by this, which takes its time: files are read first.
    this.#adopted.add(executionId)
    let isOver = false
    const over = ended.then(end => {
      isOver = true
      return this.endings.conclude(executionId, end)
    })
    let streams: DetachedStreams | null = null
    let socket: OwnSocket | null
    try {
      streams = await detached()
      socket = await this.#openSocket(executionId, adopted)
    } catch (error) {
      this.kill(executionId, 'DAEMON')
      letGo()
      void over.then(end => {
        this.attachments.ended(executionId, end, null)
        this.#leave(executionId, null)
        return streams?.over()
      })
      throw error
    }
    const { pid, uid, cgroup } = adopted
    this.#o.registry.update(executionId, { pid, uid, cgroup, epoch })
    const running = this.#isRunning({
      ...{ executionId, terms, prepared: adopted, socket },
      ...{ attach: kept.attach, before: kept.before, noted: adopted.noted },
    })
    if (streams !== null) {
      running.connect(streams)
      running.begin()
      void untilOver(running, over, streams)
        .catch(() => undefined)
        .finally(streams.over)
    }
    this.attachments.adopted(running, epoch, over)
    if (!isOver) this.#o.mayBeKept(running)
    void over.finally(() => {
      this.attachments.forget(executionId)
      this.#leave(executionId, socket)
    })
  }

  /** Nothing more is done to an execution, here. */
  #leave(executionId: string, socket: OwnSocket | null): void {
    socket?.close()
    this.endings.forget(executionId)
    this.#running.delete(executionId)
    this.#expected.delete(executionId)
    this.#adopted.delete(executionId)
    this.controls.remove(executionId)
    this.#o.tails.end(executionId)
    this.attachments.forget(executionId)
  }

  /**
   * Orders an end, which is that of all below it: one order, by which the launcher kills them together. Returns at once; the ends themselves are the
   * launcher's events. Of what was handed over nothing: the launcher takes no order for it from this run any more.
   */
  kill(executionId: string, order: EndOrder): void {
    if (!this.endings.has(executionId) || this.#left.has(executionId)) return
    this.#isEnding(executionId)
    for (const below of this.#o.registry.families.below(executionId)) this.#isEnding(below)
    this.#o.launcher.kill(executionId, order)
  }

  #isEnding(executionId: string): void {
    this.endings.asked(executionId)
    this.#o.registry.update(executionId, { state: 'ENDING' })
  }

  /**
   * The gate closed: everything of this epoch and earlier ones ends. Called before anything is written anywhere.
   *
   * @param hold what may be frozen is frozen instead
   */
  lapse(epoch: bigint, hold: boolean): void {
    this.#o.launcher.lapse(epoch, hold)
    // What is kept belongs to none of this run's epochs, and ends with each.
    const hit = this.#o.registry.live().filter(({ epoch: own, state }) => own <= epoch || state === 'KEPT')
    if (hit.length > 0)
      this.#o.log.warn({ event: 'lapse', epoch: String(epoch), executions: hit.length }, 'the lease ended')
    for (const execution of hit) {
      const { executionId, state, terms } = execution
      // That it stands still is told by the launcher.
      const mayBeHeld = isLetRun(state) || this.#adopted.has(executionId)
      if (hold && terms.onLapse !== 'kill' && mayBeHeld) continue
      this.#isEnding(executionId)
    }
  }

  /** Ends whatever these revocations (by default those in force) hit now, with all that descends from it. Returns the ids. */
  endRevoked(revocations: RevocationSet = this.#o.history.revocations): string[] {
    const { registry, history } = this.#o
    const ending = revokedOf(registry, revocations, history.policy?.digest ?? null)
    for (const executionId of ending) this.kill(executionId, 'REVOKED')
    return ending
  }

  /**
   * Ends everything but what is handed over, for an orderly stop; resolves when all are dead or after `withinMs`.
   *
   * @param spared what is not ended
   */
  async endAll(withinMs: number, spared: ReadonlySet<string> = new Set()): Promise<void> {
    const rest = () =>
      this.#o.registry
        .live()
        .filter(({ executionId }) => !spared.has(executionId) && !this.#left.has(executionId))
    for (const { executionId } of rest()) this.kill(executionId, 'DAEMON')
    const deadline = Date.now() + withinMs
    while (rest().length > 0 && Date.now() < deadline) {
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  }

  /** It is the launcher's from now on: nothing that happens to it is told to this run of the daemon. */
  left(executionId: string): void {
    this.#left.add(executionId)
    this.#o.registry.update(executionId, { state: 'KEPT' })
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
  #isRunning(
    what: Pick<RunningOptions, 'executionId' | 'prepared' | 'socket' | 'attach' | 'before' | 'noted'> & {
      readonly terms: LaunchTerms
    },
  ): Running {
    const { executionId, terms, prepared } = what
    const { registry, wallMs } = this.#o
    this.controls.add(executionId, prepared)
    const tail = this.#o.tails.get(executionId)
    const running = new Running({
      ...what,
      detached: terms.detach,
      outputLimit: Math.min(terms.limits.outputBytes ?? Number.POSITIVE_INFINITY, this.#o.maxOutputBytes),
      onLimit: () => this.kill(executionId, 'OUTPUT_LIMIT'),
      keep: (stream, bytes) => tail?.append(stream, bytes),
    })
    this.#running.set(executionId, running)
    const { state, startedTime } = registry.get(executionId) ?? {}
    if (state === 'PREPARING' || state === 'KEPT') registry.update(executionId, { state: 'RUNNING' })
    if (!startedTime) registry.update(executionId, { startedTime: rfc3339(wallMs()) })
    return running
  }
}
