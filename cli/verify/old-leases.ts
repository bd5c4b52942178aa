import { parseRecord } from '../../authorization/index.ts'
import type { ReadBlob } from './documents.ts'
import type { DroppedEntries } from './dropped-entries.ts'
import type { LogState } from './log-state.ts'
import { type EventOf, type LogEntry, StepFailure } from './steps.ts'
import { RECORDED_MS } from './timeline.ts'

/**
 * How long what was handed over could live at most: by the last good evidence of the run that handed it over, and the age of evidence that it was started
 * under, which nothing makes longer afterwards. Whatever is adopted later was dead, or outlived its evidence.
 */
export class OldLeases {
  readonly #blob: ReadBlob
  readonly #dropped: DroppedEntries
  /** Of each execution, the greatest age of evidence that the host could let it have, in milliseconds; null: the bundle does not say. */
  readonly #ages = new Map<string, number | null>()
  readonly #handedOver = new Map<string, number>()
  /** Of each run by its first entry, the boot clock at its last good appraisal. */
  readonly #evidence = new Map<number, bigint>()
  #run = 0

  constructor(blob: ReadBlob, dropped: DroppedEntries) {
    this.#blob = blob
    this.#dropped = dropped
  }

  /** @param state the fold with this entry. @throws StepFailure */
  async apply(
    { index, event }: LogEntry,
    { config }: Pick<LogState, 'config'>,
    entries: readonly LogEntry[],
  ): Promise<void> {
    if (event.type === 'daemon-start') this.#run = index
    else if (event.type === 'appraisal' && event.verdict !== 'fail')
      this.#evidence.set(this.#run, BigInt(event.bootNs))
    else if (event.type === 'execution-start')
      // It was made ready before its START.
      this.#ages.set(event.executionId, greatestAge(config.seenAt(Date.parse(event.time) - RECORDED_MS)))
    else if (event.type === 'hand-over') this.#handedOver.set(event.executionId, this.#run)
    else if (event.type === 'adoption') await this.#dropped.unless(index, () => this.#check(event, entries))
    else if (event.type === 'execution-end') {
      this.#ages.delete(event.executionId)
      this.#handedOver.delete(event.executionId)
    }
  }

  async #check(
    { executionId, decision, bootNs }: EventOf<'adoption'>,
    entries: readonly LogEntry[],
  ): Promise<void> {
    const run = this.#handedOver.get(executionId)
    const hostsMs = this.#ages.get(executionId) ?? null
    const evidence = run === undefined ? undefined : this.#evidence.get(run)
    if (hostsMs === null || evidence === undefined) return
    const permit = entries[decision]?.event
    if (permit?.type !== 'decision') throw new StepFailure('an adoption that names no decision')
    const { terms } = parseRecord(await this.#blob(permit.record))
    const ageMs = Math.min(hostsMs, terms?.maxEvidenceAgeMs ?? hostsMs)
    const lateMs = Number((BigInt(bootNs) - evidence) / 1_000_000n) - ageMs
    if (lateMs > RECORDED_MS)
      throw new StepFailure(`an adoption ${lateMs} ms after the lease that it was kept under was over`)
  }
}

function greatestAge(configs: ReturnType<LogState['config']['seenAt']>): number | null {
  const ages = configs.map(config => config?.maxEvidenceAgeMs ?? null)
  return ages.includes(null) ? null : Math.max(...ages.map(Number))
}
