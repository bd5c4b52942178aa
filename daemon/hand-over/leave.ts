import type { Logger } from 'pino'
import type { ExecutionRegistry } from '../execution-registry.ts'
import type { Executor } from '../executor.ts'
import type { LauncherClient } from '../launcher/client.ts'
import type { Recorder } from '../recorder.ts'
import type { Carried, Running } from '../running.ts'

export interface LeavingOptions {
  readonly launcher: LauncherClient
  readonly registry: ExecutionRegistry
  readonly executor: Executor
  readonly recorder: Recorder
  readonly bootNs: () => bigint
  /** Whether the configuration has what runs outlive a crash of the daemon. */
  readonly keepsOverCrash: boolean
  readonly log: Logger
}

/** Why an execution cannot outlive this run of the daemon. */
type NotKept = 'LAUNCHER_TOO_OLD' | 'NOT_RUNNING' | 'STREAMS_HASHED' | 'PARENT_NOT_KEPT' | 'REFUSED'

/**
 * Leaves what runs to the launcher: over a restart that was announced, or, where the configuration says so, over whatever ends the daemon. The
 * launcher keeps it under the lease that it has, which nobody renews any more, until the next run of the daemon adopts it.
 */
export class Leaving {
  readonly #o: LeavingOptions
  /** Those that a crash would leave. */
  readonly #overCrash = new Set<string>()
  #isLeaving = false

  constructor(options: LeavingOptions) {
    this.#o = options
    options.launcher.on('ended', ({ executionId }) => this.#overCrash.delete(executionId))
  }

  /** Whether nothing new is to be started any more. */
  get isLeaving(): boolean {
    return this.#isLeaving
  }

  /** Nothing new is to be started from now on. */
  begin(): void {
    this.#isLeaving = true
  }

  /**
   * Something runs. Nobody waits for this.
   *
   * Its input is not left to a crash: how much of it had come to the pipe, nobody could say. Neither is what has children, or is one: nobody could say
   * how many there have been.
   */
  runs(running: Running): void {
    const { registry, log } = this.#o
    const { executionId } = running
    const outlives = this.outlivesCrash(running)
    // Since its first crash nothing but that number counts its output, whatever is configured now.
    if (outlives || running.before.outputBytes === null)
      running.rememberOutput(bytes => this.#o.launcher.note(executionId, bytes))
    // A lapse may have come before this. The launcher keeps nothing that stands still, and the log is to say the same.
    if (!outlives || registry.get(executionId)?.state !== 'RUNNING') return
    const keep = async () => {
      await this.#record(running, 'crash', null)
      await this.keepOverCrash(executionId)
    }
    this.#overCrash.add(executionId)
    keep().catch((err: unknown) => {
      this.#overCrash.delete(executionId)
      log.warn({ err, executionId }, 'a crash of the daemon will end it')
    })
  }

  /** Whether it is left to the launcher over whatever ends the daemon. */
  outlivesCrash(running: Running): boolean {
    const { keepsOverCrash, registry } = this.#o
    const isChild = registry.get(running.executionId)?.parentExecutionId !== null
    return keepsOverCrash && this.#canKeep && !isChild && !running.isParent && !running.hashed
  }

  /** Tells the launcher which streams of an execution are open now: a descriptor of its own would keep a closed one open. */
  async keepOverCrash(executionId: string): Promise<void> {
    const running = this.#o.executor.running.get(executionId)
    if (running === undefined || !this.#overCrash.has(executionId)) return
    await this.#o.launcher.keep(executionId, { ...running.descriptors(), stdin: null })
  }

  /**
   * Hands over all that can be, and ends the rest. When this resolves nothing of the executions is this process's any more: each has its entry, and its
   * caller has got all that was read of its output.
   *
   * @param endMs how long what is ended may take
   * @param flushMs how long callers may take for what was read of the output
   * @param settle waits for what could still close the gate
   * @returns how many were handed over
   */
  async leave(endMs: number, flushMs: number, settle: () => Promise<unknown>): Promise<number> {
    const { executor, launcher, registry, log } = this.#o
    this.#isLeaving = true
    await executor.endAll(endMs, this.#spared(this.#plan()))
    await settle()
    // What was being adopted is this run's by now.
    const keeping = this.#plan()
    for (const [executionId, running] of keeping) await this.#keep(executionId, running, keeping)
    await executor.endAll(endMs, this.#spared(keeping))
    for (const executionId of keeping.keys())
      if (registry.get(executionId)?.state !== 'RUNNING') keeping.delete(executionId)
    if (this.#spared(keeping).size === 0) return 0
    // What is open is told once more, and in the same turn it is left: a stream that was closed meanwhile has to be closed for everybody.
    const again = [...keeping].map(([id, running]) => launcher.keep(id, running.descriptors()))
    const left = launcher.leave()
    await Promise.all([...again, left].map(order => order.catch(err => log.warn({ err }, 'not kept'))))
    await left
    for (const executionId of this.#spared(new Map()))
      if (launcher.knows(executionId)) executor.left(executionId)
    executor.attachments.over()
    // What ended before that has been told of, and is concluded as ever.
    const handedOver = await Promise.all(
      [...keeping]
        .filter(([executionId]) => launcher.knows(executionId))
        .map(([executionId, running]) => this.#handOver(executionId, running, flushMs)),
    )
    return handedOver.filter(Boolean).length
  }

  /**
   * What is not ended: what is to be kept, and what an earlier run handed over and this one has not adopted. That stays where it is, under the lease that
   * it has, and its entry stands for the next run.
   */
  #spared(keeping: ReadonlyMap<string, Running>): Set<string> {
    const unadopted = this.#o.registry.live().filter(({ state }) => state === 'KEPT')
    return new Set([...keeping.keys(), ...unadopted.map(({ executionId }) => executionId)])
  }

  /** What can be kept, each after its parent. */
  #plan(): Map<string, Running> {
    const { registry, executor, log } = this.#o
    const plan = new Map<string, Running>()
    for (const { executionId, state, parentExecutionId } of registry.live()) {
      if (state === 'KEPT') continue
      const running = executor.running.get(executionId)
      const why = this.#whyNot(state, running, parentExecutionId !== null && !plan.has(parentExecutionId))
      if (why === null && running !== undefined) plan.set(executionId, running)
      else log.warn({ event: 'execution-not-kept', executionId, reason: why }, 'it cannot be handed over')
    }
    return plan
  }

  #whyNot(state: string, running: Running | undefined, isOrphan: boolean): NotKept | null {
    if (!this.#canKeep) return 'LAUNCHER_TOO_OLD'
    if (state !== 'RUNNING' || running === undefined) return 'NOT_RUNNING'
    if (running.hashed) return 'STREAMS_HASHED'
    return isOrphan ? 'PARENT_NOT_KEPT' : null
  }

  get #canKeep(): boolean {
    return this.#o.launcher.features.features.includes('keep')
  }

  async #keep(executionId: string, running: Running, keeping: Map<string, Running>): Promise<void> {
    try {
      await this.#o.launcher.keep(executionId, running.descriptors())
    } catch (err) {
      // What has ended by itself meanwhile is told of as ever.
      this.#o.log.warn({ event: 'execution-not-kept', executionId, reason: 'REFUSED', err }, 'it is not kept')
      keeping.delete(executionId)
    }
  }

  /** Lets go of the streams, records that, and tells whoever is connected. */
  async #handOver(executionId: string, running: Running, flushMs: number): Promise<boolean> {
    const { executor, registry, log } = this.#o
    // A lapse that came just before LEAVE: the launcher has not kept it, and the log is to say the same.
    const isFrozen = registry.get(executionId)?.state === 'FROZEN'
    executor.left(executionId)
    const given = await running.letGo(flushMs)
    const carried = isFrozen ? null : given
    try {
      // What the log does not say was handed over, the next run ends.
      if (carried !== null) await this.#record(running, 'restart', carried)
      else if (isFrozen)
        log.warn(
          { event: 'execution-not-kept', executionId, reason: 'NOT_RUNNING' },
          'a lapse froze it while it was handed over: the next run ends it',
        )
      else
        log.warn(
          { event: 'execution-not-kept', executionId, reason: 'OUTPUT_NOT_TAKEN' },
          'what was read of its output did not reach its caller, or was too much: the next run ends it',
        )
    } catch (err) {
      log.error({ err, executionId }, 'a hand-over could not be recorded: the next run ends it')
      running.tellHandedOver(null)
      return false
    }
    running.tellHandedOver(carried)
    return carried !== null
  }

  async #record(running: Running, over: 'restart' | 'crash', carried: Carried | null): Promise<void> {
    const { registry, recorder, bootNs } = this.#o
    const { executionId } = running
    const decision = registry.get(executionId)?.decisionIndex
    if (decision === undefined) throw new Error('what runs is known')
    const { childrenStarted, childrenLastMinute } = registry.families.countsOf(executionId, bootNs())
    await recorder.record({
      type: 'hand-over',
      ...{ executionId, decision: Number(decision), over, attach: running.attach },
      ...{ stdinBytes: carried?.stdinBytes ?? null, outputBytes: carried?.outputBytes ?? null },
      inputEnded: carried?.inputEnded ?? running.before.inputEnded,
      children: running.isParent ? { started: childrenStarted, lastMinute: childrenLastMinute } : null,
    })
  }
}
