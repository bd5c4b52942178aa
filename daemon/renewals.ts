import type { Logger } from 'pino'
import type { Decision } from '../authorization/index.ts'
import type { Decider } from './decider.ts'
import type { ExecutionRegistry, LifeState, TrackedExecution } from './execution-registry.ts'
import type { Executor } from './executor.ts'
import type { TrustGate } from './gate.ts'
import type { KeptExecution } from './hand-over/kept.ts'
import type { LauncherClient } from './launcher/client.ts'
import type { Adopted, AdoptedDeadlines } from './launcher/types.ts'
import type { Recorder } from './recorder.ts'

/** Reasons for which a lapse holds or ends what runs. */
const LAPSE: ReadonlySet<string> = new Set(['ATTESTATION_STALE', 'ATTESTATION_FAILED'])

/** Reasons that may be over in a moment: what is frozen for one of them stays so, as long as its grace; what is kept, as long as its old lease. */
const PASSING: ReadonlySet<string> = new Set([
  'ATTESTATION_STALE',
  'ATTESTATION_FAILED',
  'LINEAGE_UNAVAILABLE',
  'LINEAGE_BROKEN',
  'CLOCK_UNTRUSTED',
  'CAPACITY',
  'INTERNAL',
])

export interface RenewalsOptions {
  readonly launcher: LauncherClient
  readonly registry: ExecutionRegistry
  readonly decider: Decider
  readonly executor: Executor
  readonly recorder: Recorder
  readonly gate: TrustGate
  /** What an earlier run of the daemon handed over, and how this one goes on with it. */
  readonly kept?: {
    readonly executions: readonly KeptExecution[]
    /** What it may not outlive, by its permit and what is configured now. */
    readonly deadlines: (kept: KeptExecution) => AdoptedDeadlines
    readonly goOn: (kept: KeptExecution, adopted: Adopted, epoch: bigint) => Promise<void>
  }
  readonly log: Logger
}

/**
 * Authorizations looked at again. What a lapse has frozen, or an earlier run of the daemon handed over, goes on only after the same decision as for
 * a start, made with what is in force now and durable before the thaw or the adoption; what runs ends when other policies or trust roots no longer
 * permit it.
 */
export class Renewals {
  readonly #o: RenewalsOptions
  /** Frozen executions, each with how often it was: a thaw that is overtaken by the next freeze is none. */
  readonly #frozen = new Map<string, number>()
  readonly #kept: Map<string, KeptExecution>
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: RenewalsOptions) {
    this.#o = options
    this.#kept = new Map((options.kept?.executions ?? []).map(kept => [kept.executionId, kept]))
    options.launcher.on('held', ({ executionId, cause }) => this.#held(executionId, cause))
    options.launcher.on('ended', ({ executionId }) => {
      this.#frozen.delete(executionId)
      this.#kept.delete(executionId)
    })
    options.gate.on('renewed', () => this.#renewed())
  }

  /**
   * Decides again on all that runs or is frozen, after a change of policy or trust roots. The end of what is denied is ordered when this
   * returns; a kill waits for no entry.
   */
  changed(): void {
    for (const execution of this.#o.registry.live()) {
      if (execution.state === 'ENDING') continue
      const again = this.#reconsider(execution)
      if (again !== null && isOver(execution.state, again.decision)) this.#end(execution.executionId, again)
    }
  }

  /** Resolves when all that was going on has been done. */
  async settled(): Promise<void> {
    await this.#turn
  }

  #held(executionId: string, cause: string): void {
    const { registry, recorder, log } = this.#o
    const execution = registry.get(executionId)
    if (execution === undefined) return
    this.#frozen.set(executionId, (this.#frozen.get(executionId) ?? 0) + 1)
    // What is kept is never frozen: this one is adopted, and is still being connected to its streams.
    if (execution.state !== 'ENDING') registry.update(executionId, { state: 'FROZEN' })
    log.warn({ event: 'execution-frozen', executionId, cause }, 'execution frozen')
    recorder
      .record({ type: 'freeze', executionId, decision: Number(execution.decisionIndex), cause })
      .catch((err: unknown) => log.error({ err }, 'a freeze could not be recorded'))
  }

  /** One after the other, the oldest first: a child goes on after its parent. */
  #renewed(): void {
    if (this.#frozen.size + this.#kept.size === 0) return
    this.#turn = this.#turn.then(async () => {
      for (const execution of this.#o.registry.live()) {
        const { executionId } = execution
        const kept = this.#kept.get(executionId)
        if (kept === undefined && !this.#frozen.has(executionId)) continue
        try {
          await (kept === undefined ? this.#goOn(execution) : this.#adopt(execution, kept))
        } catch (err) {
          const stays = kept === undefined ? 'it stays frozen' : 'it stays kept'
          this.#o.log.warn({ event: 'execution-stays', executionId, err }, stays)
        }
      }
    })
  }

  /** Permitted anew → durable → the gate looked at once more → thawed, where the supervisor looks again. */
  async #goOn(execution: TrackedExecution): Promise<void> {
    const { registry, recorder, launcher, log } = this.#o
    const { executionId } = execution
    const times = this.#frozen.get(executionId)
    const epoch = await this.#permitted(execution, 'FROZEN', (renewal, epoch) =>
      recorder.record({ type: 'thaw', executionId, renewal, epoch }),
    )
    if (epoch === null) return
    await launcher.thaw(executionId, epoch)
    // A freeze that follows at once may have been told of by now.
    if (this.#frozen.get(executionId) !== times || registry.get(executionId)?.state !== 'FROZEN') return
    this.#frozen.delete(executionId)
    registry.update(executionId, { state: 'RUNNING', epoch })
    log.info({ event: 'execution-thawed', executionId, epoch: String(epoch) }, 'execution goes on')
  }

  /** Permitted anew → durable → the gate looked at once more → adopted, where the supervisor looks again. */
  async #adopt(execution: TrackedExecution, kept: KeptExecution): Promise<void> {
    const { recorder, launcher, log } = this.#o
    const { executionId, decisionIndex } = execution
    const known = this.#o.kept
    if (known === undefined) return
    const epoch = await this.#permitted(execution, 'KEPT', (renewal, epoch) =>
      recorder.record({ type: 'adoption', executionId, decision: Number(decisionIndex), renewal, epoch }),
    )
    if (epoch === null) return
    const adopted = await launcher.adopt(executionId, epoch, known.deadlines(kept))
    this.#kept.delete(executionId)
    await known.goOn(kept, adopted, epoch)
    log.info({ event: 'execution-adopted', executionId, epoch: String(epoch) }, 'execution goes on')
  }

  /**
   * Decides on what stands still or is kept; a denial that nothing will change ends it.
   *
   * @param record writes that it goes on, by the entry of that decision and in that epoch
   * @returns the epoch in which it may go on; null if it may not now
   */
  async #permitted(
    execution: TrackedExecution,
    state: 'FROZEN' | 'KEPT',
    record: (renewal: number, epoch: number) => Promise<unknown>,
  ): Promise<bigint | null> {
    const { registry, decider, gate } = this.#o
    const { executionId, parentExecutionId } = execution
    const times = this.#frozen.get(executionId)
    // An end is known here before it has an entry, and a freeze before the registry has it.
    const isStill = () =>
      registry.get(executionId)?.state === state &&
      (state === 'KEPT' ? this.#kept.has(executionId) : this.#frozen.get(executionId) === times)
    if (!isStill()) return null
    if (parentExecutionId !== null && registry.get(parentExecutionId)?.state !== 'RUNNING') return null
    const again = this.#reconsider(execution)
    if (again === null) return null
    if (again.decision.outcome === 'deny') {
      if (endsWith(again.decision)) this.#end(executionId, again)
      return null
    }
    const { epoch } = again.input.gate
    const renewal = Number(await decider.recordRenewal(again.input, again.decision))
    // What has ended, was frozen anew or denied since has an entry of that, and none may follow that says that it goes on.
    if (!isStill()) return null
    await record(renewal, epoch)
    // What changed meanwhile has ended it, or stands in the way here.
    const now = gate.snapshot()
    return now.state === 'ATTESTED' && now.epoch === BigInt(epoch) && isStill() ? now.epoch : null
  }

  #reconsider({ origin }: TrackedExecution): ReturnType<Decider['reconsider']> | null {
    return origin === null ? null : this.#o.decider.reconsider(origin.permit, origin.caller)
  }

  #end(executionId: string, { input, decision }: ReturnType<Decider['reconsider']>): void {
    const { executor, decider, log } = this.#o
    const revoked = decision.reasons.some(({ code }) => code === 'REVOKED')
    executor.kill(executionId, revoked ? 'REVOKED' : 'DENIED')
    log.warn(
      { event: 'execution-denied', executionId, reasons: decision.reasons },
      'its authorization is over',
    )
    decider
      .recordRenewal(input, decision)
      .catch((err: unknown) => log.error({ err }, 'a denial could not be recorded'))
  }
}

/**
 * Whether a decision after a change ends what it is on. A lapse has been seen to already; what is frozen or kept is decided on once more before it
 * goes on. Of what runs nobody asks again: whatever else is in the way of an answer, the answer is no.
 */
function isOver(state: LifeState, decision: Decision): boolean {
  if (state === 'FROZEN' || state === 'KEPT') return endsWith(decision)
  return decision.outcome === 'deny' && !decision.reasons.some(({ code }) => LAPSE.has(code))
}

/** Whether a decision on what was frozen or kept ends it. */
function endsWith({ outcome, reasons }: Decision): boolean {
  return outcome === 'deny' && !reasons.some(({ code }) => PASSING.has(code))
}
