import type { LineageEvent } from '../events/index.ts'

/** No caller's uid (setresuid(2)): what nobody is known to have asked for is for auditors. */
export const NOBODY = 0xffff_ffff

/** Permits without a START that are remembered: far more than can be between the two. Permits that start nothing never have one. */
const MAX_PENDING = 4096

/** Whose an execution is. */
export interface ExecutionOwner {
  /** Who asked for it; of what an execution asked for, who asked on the main socket for the outermost above it. */
  readonly uid: number
  /** The execution through whose socket it was asked for, the one through whose socket that was, and so on. */
  readonly ancestors: readonly string[]
}

/** An execution that has a permit and no end. */
export interface OngoingExecution extends ExecutionOwner {
  readonly executionId: string
  /** Entry of its permit. */
  readonly decision: number
  /** Entry of its START; null if there is none. */
  readonly start: number | null
  /** Entry by which it was handed over to the launcher last; null if it was not, or has been adopted since. */
  readonly handOver: number | null
}

/** Executions that were permitted and have not ended, and whose they are. */
export class Executions {
  /** With a START, in their order. */
  readonly open: Map<string, OngoingExecution>
  /** Without one. */
  readonly #pending: Map<string, OngoingExecution>

  constructor(state: readonly OngoingExecution[] = []) {
    const by = (isOpen: boolean) => state.filter(({ start }) => (start !== null) === isOpen)
    this.open = new Map(by(true).map(execution => [execution.executionId, execution]))
    this.#pending = new Map(by(false).map(execution => [execution.executionId, execution]))
  }

  /** Those with a START, then those without. */
  get state(): OngoingExecution[] {
    return [...this.open.values(), ...this.#pending.values()]
  }

  apply(index: number, event: LineageEvent): void {
    if (event.type === 'decision') {
      if (event.outcome !== 'permit' || event.executionId === null) return
      const owner = this.#ownerBy(event.caller.uid, event.caller.parent)
      this.#pending.set(event.executionId, {
        executionId: event.executionId,
        decision: index,
        start: null,
        handOver: null,
        ...owner,
      })
      const oldest = this.#pending.keys().next().value
      if (this.#pending.size > MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest)
    } else if (event.type === 'execution-start') {
      const { executionId, decision, parent } = event
      const { uid, ancestors } = this.#pending.get(executionId) ?? this.#ownerBy(NOBODY, parent)
      this.#pending.delete(executionId)
      this.open.set(executionId, { executionId, decision, start: index, handOver: null, uid, ancestors })
    } else if (event.type === 'hand-over' || event.type === 'adoption') {
      const { executionId } = event
      const open = this.open.get(executionId)
      const handOver = event.type === 'hand-over' ? index : null
      if (open !== undefined) this.open.set(executionId, { ...open, handOver })
    } else if (event.type === 'execution-end') {
      this.open.delete(event.executionId)
      this.#pending.delete(event.executionId)
    }
  }

  #ownerBy(uid: number, parent: string | null): ExecutionOwner {
    if (parent === null) return { uid, ancestors: [] }
    const above = this.open.get(parent) ?? this.#pending.get(parent)
    return { uid: above?.uid ?? NOBODY, ancestors: [parent, ...(above?.ancestors ?? [])] }
  }
}
