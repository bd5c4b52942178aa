import { OutputTail } from './output-tail.ts'

/** Looked at anew each time. */
export interface OutputTailLimits {
  /** Most bytes for one execution; 0 keeps nothing. */
  readonly tailBytes: number
  /** Most bytes for all together. */
  readonly totalBytes: number
  /** Executions at one time, among which the total is shared. */
  readonly maxExecutions: number
}

/**
 * The newest output of every execution that the registry knows, in memory only. All together never take more than the total: each that runs
 * has an equal share of it at most, and those that have ended give way first, oldest first.
 */
export class OutputTails {
  readonly #limits: OutputTailLimits
  readonly #tails = new Map<string, OutputTail>()
  /** Ids of those that have ended and still hold memory, oldest end first. */
  readonly #ended = new Set<string>()
  #bytes = 0

  constructor(limits: OutputTailLimits) {
    this.#limits = limits
  }

  /** Bytes that all hold. */
  get bytes(): number {
    return this.#bytes
  }

  /** Begins to keep the output of an execution. */
  open(executionId: string): OutputTail {
    const { tailBytes, totalBytes, maxExecutions } = this.#limits
    const limit = Math.min(tailBytes, Math.floor(totalBytes / maxExecutions))
    const tail = new OutputTail(limit, bytes => this.#take(bytes))
    this.#tails.set(executionId, tail)
    return tail
  }

  /** Undefined if there is no execution of this id, or none any more. */
  get(executionId: string): OutputTail | undefined {
    return this.#tails.get(executionId)
  }

  /** Nothing more comes from it. What is kept stays until there is no room. */
  end(executionId: string): void {
    const tail = this.#tails.get(executionId)
    if (tail === undefined) return
    tail.end()
    if (tail.size > 0) this.#ended.add(executionId)
  }

  /** Lets go of an execution that nobody can ask for any more. */
  forget(executionId: string): void {
    this.#clear(executionId)
    this.#tails.get(executionId)?.end()
    this.#tails.delete(executionId)
  }

  /** Whether there is room for so many bytes more, after those that have ended have given way. */
  #take(bytes: number): boolean {
    for (const id of this.#ended) {
      if (this.#bytes + bytes <= this.#limits.totalBytes) break
      this.#clear(id)
    }
    if (this.#bytes + bytes > this.#limits.totalBytes) return false
    this.#bytes += bytes
    return true
  }

  #clear(executionId: string): void {
    const tail = this.#tails.get(executionId)
    this.#bytes -= tail?.size ?? 0
    tail?.clear()
    this.#ended.delete(executionId)
  }
}
