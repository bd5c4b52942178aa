import type { LogState } from './log-state.ts'
import { type LogEntry, StepFailure } from './steps.ts'
import { RECORDED_MS } from './timeline.ts'

/**
 * How long what was handed over could live at most: by the last good evidence of the run that handed it over, and the age of evidence that it was started,
 * or handed over, under. Nothing moves that lease afterwards, so whatever is adopted later was dead, or outlived its evidence.
 */
export class OldLeases {
  /** Of each execution, the greatest age of evidence that it can have, in milliseconds; null: the bundle does not say. */
  readonly #ages = new Map<string, number | null>()
  readonly #handedOver = new Map<string, number>()
  /** Of each run by its first entry, the boot clock at its last good appraisal. */
  readonly #evidence = new Map<number, bigint>()
  #run = 0

  /** @param state the fold with this entry. @throws StepFailure */
  apply({ index, event }: LogEntry, { config }: Pick<LogState, 'config'>): void {
    const ageMs = config.newest?.maxEvidenceAgeMs ?? null
    if (event.type === 'daemon-start') this.#run = index
    else if (event.type === 'appraisal' && event.verdict !== 'fail')
      this.#evidence.set(this.#run, BigInt(event.bootNs))
    else if (event.type === 'execution-start') this.#ages.set(event.executionId, ageMs)
    else if (event.type === 'hand-over') {
      const { executionId } = event
      const before = this.#ages.get(executionId) ?? null
      this.#ages.set(executionId, before === null || ageMs === null ? null : Math.max(before, ageMs))
      this.#handedOver.set(executionId, this.#run)
    } else if (event.type === 'adoption') this.#check(event.executionId, BigInt(event.bootNs))
    else if (event.type === 'execution-end') {
      this.#ages.delete(event.executionId)
      this.#handedOver.delete(event.executionId)
    }
  }

  #check(executionId: string, bootNs: bigint): void {
    const run = this.#handedOver.get(executionId)
    const ageMs = this.#ages.get(executionId) ?? null
    const evidence = run === undefined ? undefined : this.#evidence.get(run)
    if (ageMs === null || evidence === undefined) return
    const lateMs = Number((bootNs - evidence) / 1_000_000n) - ageMs
    if (lateMs > RECORDED_MS)
      throw new StepFailure(`an adoption ${lateMs} ms after the lease that it was kept under was over`)
  }
}
