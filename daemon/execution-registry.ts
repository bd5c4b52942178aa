import type { LaunchTerms, Signed } from '../authorization/index.ts'
import type { ExecutionInput } from '../proto/generated/writ/v1/Execution.ts'
import type { ExecutionEndInput } from '../proto/generated/writ/v1/ExecutionEnd.ts'
import { Changes } from './changes.ts'
import type { Caller } from './core.ts'
import { Families } from './families.ts'
import type { Permit } from './permit.ts'

/** How many ended executions stay listed; the lineage has them all. */
export const ENDED_KEPT = 1000

/** `KEPT`: an earlier run of the daemon handed it over, and this one has not adopted it. */
export type LifeState = 'PREPARING' | 'RUNNING' | 'FROZEN' | 'KEPT' | 'ENDING' | 'ENDED'

/** Whether it runs, or did and is frozen. */
export function isLetRun(state: LifeState): boolean {
  return state === 'RUNNING' || state === 'FROZEN'
}

/** What was permitted: fixed from the permit on. */
export interface PermittedExecution {
  readonly executionId: string
  readonly callerUid: number
  readonly parentExecutionId: string | null
  readonly artifactDigest: string
  readonly issuer: string
  /** Who signed the artifact, and what its issuer asks. */
  readonly signed: Signed
  readonly terms: LaunchTerms
  readonly epoch: bigint
  readonly decisionIndex: bigint
  /** Digest of the decision's record, which a child's decision refers to. */
  readonly decisionRecord: string
  readonly permittedTime: string
  /** What it was permitted on, for the same decision anew; null once it has ended. */
  readonly origin: { readonly permit: Permit; readonly caller: Caller } | null
}

/** One execution as the daemon knows it. */
export interface TrackedExecution extends PermittedExecution {
  readonly state: LifeState
  readonly uid: number
  readonly pid: number
  /** Where its own processes are; empty before it is made ready. */
  readonly cgroup: string
  readonly startedTime: string
  readonly end: ExecutionEndInput | null
}

/** The executions of this run of the daemon. Bounded: what has ended is forgotten after {@link ENDED_KEPT} others. */
export class ExecutionRegistry {
  readonly #byId = new Map<string, TrackedExecution>()
  /** Those of them that have not ended, which are asked for at every end of one. */
  readonly #liveById = new Map<string, TrackedExecution>()
  readonly #changes = new Changes<string, ExecutionInput>()
  readonly #onForget: (executionId: string) => void
  /** Who has which children, those among them that have only just been permitted. */
  readonly families = new Families()
  #ended = 0

  /** @param onForget called for each that is not listed any more */
  constructor(onForget: (executionId: string) => void = () => undefined) {
    this.#onForget = onForget
  }

  /** Executions that have not ended. */
  get liveCount(): number {
    return this.#liveById.size
  }

  add(permitted: PermittedExecution): void {
    if (this.#byId.has(permitted.executionId))
      throw new Error(`execution ${permitted.executionId} a second time`)
    this.#put({
      ...permitted,
      state: 'PREPARING',
      uid: 0,
      pid: 0,
      cgroup: '',
      startedTime: '',
      end: null,
    })
  }

  /** Changes what is known of an execution that has not ended. After its end nothing about it changes. */
  update(
    executionId: string,
    change: Partial<Pick<TrackedExecution, 'state' | 'uid' | 'pid' | 'cgroup' | 'startedTime' | 'epoch'>>,
  ): void {
    const current = this.#byId.get(executionId)
    if (current === undefined || current.state === 'ENDED') return
    this.#put({ ...current, ...change })
  }

  end(executionId: string, end: ExecutionEndInput): void {
    const current = this.#byId.get(executionId)
    if (current === undefined || current.state === 'ENDED') return
    this.#ended++
    this.families.end(executionId)
    this.#put({ ...current, state: 'ENDED', end, origin: null })
    this.#forget()
  }

  get(executionId: string): TrackedExecution | undefined {
    return this.#byId.get(executionId)
  }

  /** An execution, its parent, and so on. */
  lineOf(executionId: string): string[] {
    const line: string[] = []
    for (let id: string | null = executionId; id !== null && !line.includes(id); ) {
      line.push(id)
      id = this.get(id)?.parentExecutionId ?? null
    }
    return line
  }

  /** Those that have not ended, oldest first. */
  live(): TrackedExecution[] {
    return [...this.#liveById.values()]
  }

  /** Newest first. */
  list(options: {
    visible: (execution: ExecutionInput) => boolean
    includeEnded: boolean
    limit: number
    after: string | null
  }): ExecutionInput[] {
    const all = [...this.#byId.values()].reverse()
    const at = options.after === null ? -1 : all.findIndex(e => e.executionId === options.after)
    // What came before one that has been forgotten is not known any more; a page never begins anew.
    const rest = at < 0 && options.after !== null ? [] : all.slice(at + 1)
    const out: ExecutionInput[] = []
    for (const execution of rest) {
      if (out.length >= options.limit) break
      const shown = toMessage(execution)
      if ((options.includeEnded || execution.state !== 'ENDED') && options.visible(shown)) out.push(shown)
    }
    return out
  }

  watch(signal: AbortSignal): AsyncIterable<ExecutionInput> {
    return this.#changes.watch(
      this.live().map(e => [e.executionId, toMessage(e)] as const),
      signal,
    )
  }

  #put(execution: TrackedExecution): void {
    this.#byId.set(execution.executionId, execution)
    if (execution.state === 'ENDED') this.#liveById.delete(execution.executionId)
    else this.#liveById.set(execution.executionId, execution)
    this.#changes.publish(execution.executionId, toMessage(execution))
  }

  #forget(): void {
    for (const [id, execution] of this.#byId) {
      if (this.#ended <= ENDED_KEPT) return
      if (execution.state !== 'ENDED') continue
      this.#byId.delete(id)
      this.#ended--
      this.#onForget(id)
    }
  }
}

/** The API's form of an execution. */
export function toMessage(e: TrackedExecution): ExecutionInput {
  return {
    executionId: e.executionId,
    state: `EXECUTION_STATE_${e.state}`,
    callerUid: e.callerUid,
    program: e.terms.program.path,
    argv: [...e.terms.argv],
    artifactDigest: e.artifactDigest,
    issuer: e.issuer,
    parentExecutionId: e.parentExecutionId ?? '',
    uid: e.uid,
    epoch: String(e.epoch),
    decisionIndex: String(e.decisionIndex),
    permittedTime: e.permittedTime,
    startedTime: e.startedTime,
    pid: e.pid,
    end: e.end,
  }
}
