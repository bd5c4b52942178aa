import type { LineageEvent } from '../events/index.ts'
import { lastingBlobs, passingBlobs } from '../evidence-class.ts'
import type { Lineage } from '../lineage.ts'
import type { Known } from './bookkeeping.ts'
import { type Pace, readWritten, type ScannedEntry, scanLog } from './log-scan.ts'

/** Most blobs that are looked at in one pass over the log: some ten megabytes. */
const MAX_CANDIDATES = 32_768
/** Snapshots that are kept: should the newest not be readable, the one before it is. */
const SNAPSHOTS_KEPT = 2

/** Whether the daemon takes its TPM's clock from this appraisal when it starts (daemon/history). */
function tellsTheClock({ clock, reasons }: LineageEvent & { type: 'appraisal' }): boolean {
  return clock !== null && !reasons.some(({ code }) => code === 'CLOCK_ROLLED_BACK')
}

/**
 * One pass over what is left of the log: which blobs of its oldest entries nothing needs any more. Entries are taken in their order from where
 * the pass before ended, first those that were kept back then.
 */
export class Candidates {
  /** Blobs that may be dropped, with the newest entry that names them; the oldest first. */
  readonly byDigest = new Map<string, number>()
  /** Blobs that are never dropped, and the entries that they were gathered from. */
  readonly lasting: Set<string>
  size: number
  /** Where the next pass goes on: entries before it were looked at. */
  end: number
  /** Before which entry the log says, or may say next, that something was dropped: never before an earlier one. */
  said: number
  /** Entries that were looked at and have to be again. */
  running: number[] = []
  held: number[] = []
  readonly #spared: ReadonlySet<string>
  readonly #oldMs: number
  readonly #nowMs: number
  /** Entries of executions among those that were looked at. */
  readonly #ofExecution = new Map<string, number[]>()
  readonly #openExecutions = new Set<string>()
  /** The appraisals that the next start, and whoever looks at the state now, needs; then the snapshots. */
  #clock: ScannedEntry | undefined
  #passed: ScannedEntry | undefined
  readonly #snapshots: ScannedEntry[] = []
  /** The latest time so far, so that an entry under a clock that was wrong is as old as those around it. */
  #timeMs = Number.NEGATIVE_INFINITY
  #collecting = true

  /**
   * @param known where the last pass ended
   * @param spared blobs that are not dropped whoever names them
   * @param times entries after `oldMs` are too young; those from after `nowMs` are as old as the one before them
   */
  constructor(
    known: Known,
    spared: ReadonlySet<string>,
    { oldMs, nowMs }: { readonly oldMs: number; readonly nowMs: number },
  ) {
    this.lasting = new Set(known.lasting)
    this.size = known.size
    this.end = known.before
    this.said = known.before
    this.#spared = spared
    this.#oldMs = oldMs
    this.#nowMs = nowMs
  }

  /** Goes through the log once. @throws LineageError; the reason of `pace.stop` */
  static async find(
    lineage: Lineage,
    known: Known,
    spared: ReadonlySet<string>,
    times: { readonly oldMs: number; readonly nowMs: number },
    pace: Pace,
  ): Promise<Candidates> {
    const found = new Candidates(known, spared, times)
    // From now on what is about to be named is taken out.
    lineage.evidence.onUse = digest => found.use(digest)
    const read = async (index: number): Promise<ScannedEntry> => ({
      index,
      event: readWritten(await lineage.entry(BigInt(index))),
    })
    for (const index of known.running) found.#takeAgain(await read(index), true)
    for (const index of known.held) found.#takeAgain(await read(index), false)
    // Up to the very end: what is named by an entry that is durable by now was seen, and of every other this is told when it is.
    let to = known.before
    while (to < Number(lineage.size)) {
      const from = to
      to = Number(lineage.size)
      for await (const entry of scanLog(lineage, from, to, pace)) found.#take(entry)
    }
    found.size = to
    if (found.#collecting) found.end = to
    for (const index of found.#keepBack()) found.#keep((await read(index)).event)
    return found
  }

  /** Somebody is about to name it: an entry will, or has to be asked again if none does. */
  use(digest: string): void {
    const index = this.byDigest.get(digest)
    if (index === undefined) return
    this.byDigest.delete(digest)
    this.held.push(index)
  }

  #takeAgain(entry: ScannedEntry, running: boolean): void {
    const id = executionOf(entry.event)
    if (running && id !== null) this.#openExecutions.add(id)
    this.#collect(entry)
    this.#note(entry)
  }

  #take(entry: ScannedEntry): void {
    const { index, event } = entry
    if (index >= this.size) for (const digest of lastingBlobs(event)) this.#last(digest)
    if (this.#collecting && !this.#isOld(event)) this.#stopAt(index)
    if (this.#collecting) this.#collect(entry)
    else for (const digest of passingBlobs(event)) this.byDigest.delete(digest)
    if (this.#collecting && this.byDigest.size >= MAX_CANDIDATES) this.#stopAt(index + 1)
    this.#note(entry)
  }

  #stopAt(index: number): void {
    this.#collecting = false
    this.end = index
  }

  #last(digest: string): void {
    this.lasting.add(digest)
    this.byDigest.delete(digest)
  }

  #isOld({ time }: LineageEvent): boolean {
    const ms = Date.parse(time)
    if (ms <= this.#nowMs) this.#timeMs = Math.max(this.#timeMs, ms)
    return this.#timeMs <= this.#oldMs
  }

  #collect({ index, event }: ScannedEntry): void {
    for (const digest of passingBlobs(event)) {
      if (this.lasting.has(digest) || this.#spared.has(digest)) continue
      this.byDigest.delete(digest)
      this.byDigest.set(digest, index)
    }
    const id = executionOf(event)
    if (id !== null) this.#ofExecution.set(id, [...(this.#ofExecution.get(id) ?? []), index])
  }

  #note(entry: ScannedEntry): void {
    const { event } = entry
    if (event.type === 'evidence-dropped') this.said = Math.max(this.said, event.before)
    if (event.type === 'execution-start') this.#openExecutions.add(event.executionId)
    else if (event.type === 'execution-end') this.#openExecutions.delete(event.executionId)
    else if (event.type === 'appraisal') {
      if (tellsTheClock(event)) this.#clock = entry
      if (event.verdict !== 'fail') this.#passed = entry
    } else if (event.type === 'snapshot') {
      this.#snapshots.push(entry)
      if (this.#snapshots.length > SNAPSHOTS_KEPT) this.#snapshots.shift()
    }
  }

  /** The entries whose blobs are needed, now that all of the log has been seen. */
  #keepBack(): number[] {
    this.running = [...this.#openExecutions].flatMap(id => this.#ofExecution.get(id) ?? [])
    const newest = [this.#clock, this.#passed, ...this.#snapshots]
    this.held.push(
      ...newest.flatMap(entry => (entry !== undefined && entry.index < this.end ? [entry.index] : [])),
    )
    return [...this.running, ...newest.flatMap(entry => (entry === undefined ? [] : [entry.index]))]
  }

  #keep(event: LineageEvent): void {
    for (const digest of passingBlobs(event)) this.byDigest.delete(digest)
  }
}

/** The execution that a decision is on. */
function executionOf(event: LineageEvent): string | null {
  return event.type === 'decision' || event.type === 'renewal' ? event.executionId : null
}
