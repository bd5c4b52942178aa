import { passingBlobs } from '../../lineage/index.ts'
import type { LogState } from './log-state.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, StepFailure } from './steps.ts'
import { RECORDED_MS } from './timeline.ts'

type Dropping = EventOf<'evidence-dropped'>

const DAY_MS = 86_400_000

/**
 * Evidence was dropped as the configuration in force has it, and not while something needed it: nothing younger than it is to be kept, nothing of an execution that ran, and not the
 * newest appraisals. Whoever writes an `evidence-dropped` to be rid of fresh evidence fails here; and one that drops what is never dropped fails the evidence itself.
 */
export async function checkRetention(entries: readonly LogEntry[], state: LogState): Promise<Holds> {
  const needs = new Needs()
  const times = new Times(entries)
  let newestBefore = 0
  const count = { entries: 0, blobs: 0 }
  for (const entry of entries) {
    await atEntry(entry.index, async () => {
      await state.apply(entry)
      const { event } = entry
      if (event.type !== 'evidence-dropped') return needs.take(event)
      if (event.before < newestBefore || event.before > entry.index)
        throw new StepFailure('it drops evidence out of the order of the log')
      newestBefore = event.before
      const needed = needs.of(event)
      if (needed !== null) throw new StepFailure(`it drops ${needed}`)
      checkAge(event, state, times)
      count.entries++
      count.blobs += event.digests.length
    })
  }
  return {
    detail:
      count.entries === 0
        ? 'none was'
        : `${count.blobs} blobs of entries before ${newestBefore}, said in ${count.entries} entries; all were as old as configured, and needed by nothing`,
  }
}

/** What was needed is held against the least age that was configured when it was said, or just before. */
function checkAge(event: Dropping, state: LogState, times: Times): void {
  const atMs = Date.parse(event.time)
  const configured = state.config.seenAt(atMs).flatMap(config => config?.evidenceMinAgeMs ?? [])
  if (configured.length === 0) throw new StepFailure('no configuration says for how long evidence is kept')
  const leastMs = Math.min(...configured)
  const youngMs = times.newestBefore(event.before, atMs)
  if (youngMs > atMs - leastMs + RECORDED_MS)
    throw new StepFailure(
      `it drops evidence of ${new Date(youngMs).toISOString()}, which was to be kept for ${leastMs / DAY_MS} days`,
    )
}

/** The latest time among the first entries of a log. Asked for more and more of them. */
class Times {
  readonly #entries: readonly LogEntry[]
  #size = 0
  #newestMs = Number.NEGATIVE_INFINITY
  /** Times that lay in the future when they were asked about: of a clock that was wrong. They make nothing young. */
  #future: number[] = []

  constructor(entries: readonly LogEntry[]) {
    this.#entries = entries
  }

  newestBefore(size: number, nowMs: number): number {
    const waiting = this.#future
    this.#future = []
    for (const ms of waiting) this.#take(ms, nowMs)
    for (; this.#size < size; this.#size++)
      this.#take(Date.parse(this.#entries[this.#size]?.event.time ?? ''), nowMs)
    return this.#newestMs
  }

  #take(ms: number, nowMs: number): void {
    if (ms > nowMs) this.#future.push(ms)
    else this.#newestMs = Math.max(this.#newestMs, ms)
  }
}

/** The blobs that something needs at a point of the log. */
class Needs {
  readonly #ofExecution = new Map<string, string[]>()
  readonly #open = new Set<string>()
  #clock: readonly string[] = []
  #passed: readonly string[] = []
  /** The two newest: should one not be readable, a start takes the other. */
  #snapshots: readonly string[] = []

  take(event: LogEntry['event']): void {
    if ((event.type === 'decision' || event.type === 'renewal') && event.executionId !== null) {
      if (event.outcome !== 'permit') return
      const before = this.#ofExecution.get(event.executionId) ?? []
      this.#ofExecution.set(event.executionId, [...before, ...passingBlobs(event)])
    } else if (event.type === 'execution-start') this.#open.add(event.executionId)
    else if (event.type === 'execution-end') {
      this.#open.delete(event.executionId)
      this.#ofExecution.delete(event.executionId)
    } else if (event.type === 'appraisal') {
      if (event.clock !== null && !event.reasons.some(({ code }) => code === 'CLOCK_ROLLED_BACK'))
        this.#clock = passingBlobs(event)
      if (event.verdict !== 'fail') this.#passed = passingBlobs(event)
    } else if (event.type === 'snapshot') this.#snapshots = [event.digest, ...this.#snapshots].slice(0, 2)
  }

  /** What of it is needed; null if nothing is. */
  of({ digests }: Dropping): string | null {
    const listed = new Set(digests)
    for (const id of this.#open) {
      const needed = this.#ofExecution.get(id)?.find(digest => listed.has(digest))
      if (needed !== undefined) return `${needed}, and ${id} runs by it`
    }
    const newest = [...this.#clock, ...this.#passed].find(digest => listed.has(digest))
    if (newest !== undefined) return `${newest}, which is of the newest appraisal`
    const snapshot = this.#snapshots.find(digest => listed.has(digest))
    return snapshot === undefined ? null : `${snapshot}, which is one of the two newest snapshots`
  }
}
