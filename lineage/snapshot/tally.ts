import { DigestSet } from '../../encoding/digest-table.ts'
import type { LineageEvent } from '../events/index.ts'
import type { EntryLook, FoldedClock, MakeClock, QuotedState } from './clock.ts'
import { Executions } from './executions.ts'
import { Kept } from './kept.ts'
import { nameOfUse, UseRows } from './use-rows.ts'

/** How long an appraisal may take from its quote to its entry. */
const APPRAISAL_SLACK_MS = 10_000
/** How long uses are kept beyond the end of the artifact's validity: a clock that is set wrong is seen by then, or by nobody. */
export const USES_KEPT_MS = 24 * 3600_000

/**
 * What the entries of a log add up to, whoever reads them: neither keys nor configuration have a say, and no blob is read. Where they have one, it knows which
 * entries have to be read again ({@link Kept}). Of clearances it takes it that each counts; whoever finds that one does not, says so.
 */
export class Tally<C extends FoldedClock = FoldedClock> {
  /** Entries that it adds up. */
  size = 0
  readonly clock: C
  readonly kept: Kept
  readonly executions: Executions
  readonly uses = new UseRows()
  /** SHA-256 of the subjects of every START: what IMA may have measured on their behalf. */
  readonly governed = new DigestSet()
  /** Uses of artifacts that were valid until before then are not kept, ms; null if all are. */
  horizonMs: number | null
  /** Uses from before then may be missing, ms; null if none may. */
  lostBeforeMs: number | null
  /** Entry of the newest snapshot. */
  snapshot: number | null
  /** The newest quote of a host that did not fail. */
  quoted: QuotedState | null

  #letGo: Generator<void> | null = null

  constructor(makeClock: MakeClock<C>, state?: TallyState) {
    this.size = state?.size ?? 0
    this.clock = makeClock(state?.clock)
    this.kept = new Kept(state?.kept)
    this.executions = new Executions(state?.executions)
    this.horizonMs = state?.horizonMs ?? null
    this.lostBeforeMs = state?.lostBeforeMs ?? null
    this.snapshot = state?.snapshot ?? null
    this.quoted = state?.quoted ?? null
  }

  /**
   * Adds the next entry.
   *
   * @param isCleared false for a clearance of the clock that does not count
   */
  add(event: LineageEvent, isCleared = true): void {
    for (const _ of this.letGo());
    const index = this.size++
    const look = lookOf(event)
    if (event.type === 'daemon-start') this.clock.begin(event.bootId)
    this.clock.look(look)
    const wasFault = this.kept.clockFault
    this.kept.apply(index, event)
    this.executions.apply(index, event)
    switch (event.type) {
      case 'clock-untrusted':
        this.clock.distrust(event.why)
        return
      case 'clock-trusted':
        this.#trustClock(event, look, isCleared && wasFault)
        return
      case 'rollback-accepted':
        this.#lose(look.wallMs)
        return
      case 'appraisal':
        this.#quote(event, look)
        return
      case 'decision':
        if (event.outcome === 'permit' && event.use !== null && event.artifact !== null) {
          const { issuer, id, notAfter } = event.use
          this.uses.use(event.artifact, nameOfUse(issuer, id), Date.parse(notAfter))
        }
        return
      case 'execution-start':
        for (const digest of event.subjects) this.governed.add(digest)
        return
      case 'snapshot':
        this.snapshot = index
        if (event.horizon === null) return
        this.horizonMs = Math.max(this.horizonMs ?? 0, Date.parse(event.horizon))
        this.#letGo = this.uses.prune(this.horizonMs)
        return
      default:
        return
    }
  }

  /** Lets go of the uses that the last entry let go of, in small steps. Whoever does not want to be held up takes them one by one. */
  *letGo(): Generator<void> {
    if (this.#letGo === null) return
    yield* this.#letGo
    this.#letGo = null
  }

  /**
   * The horizon that a snapshot of this tally begins: never before the one in force, and moved on only by a clock that is relied on.
   */
  nextHorizonMs(): number | null {
    const { fault, floorMs } = this.clock
    if (fault !== null || this.kept.clockFault || floorMs <= USES_KEPT_MS) return this.horizonMs
    return Math.max(this.horizonMs ?? 0, floorMs - USES_KEPT_MS)
  }

  #trustClock({ by }: LineageEvent & { type: 'clock-trusted' }, look: EntryLook, isCleared: boolean): void {
    if (by === 'operator') {
      // The horizon stays where it is, also if the clock had been ahead: nobody knows any more whether what ends before it was used.
      if (isCleared) this.clock.accept(look)
      return
    }
    if (by === 'return') this.clock.resume()
    else this.clock.accept(look)
    // By the quote before it, which so is the newest that agreed.
    if (this.quoted !== null) {
      const { clock, resetCount, restartCount, slackMs, ...at } = this.quoted
      this.clock.recorded(at, slackMs, { clock: BigInt(clock), resetCount, restartCount })
    }
  }

  #lose(beforeMs: number): void {
    this.lostBeforeMs = Math.max(this.lostBeforeMs ?? 0, beforeMs)
  }

  #quote({ clock, verdict }: LineageEvent & { type: 'appraisal' }, look: EntryLook): void {
    if (clock === null || verdict === 'fail') return
    const { resetCount, restartCount } = clock
    this.quoted = { ...look, clock: clock.clock, resetCount, restartCount, slackMs: APPRAISAL_SLACK_MS }
    this.clock.recorded(look, APPRAISAL_SLACK_MS, { clock: BigInt(clock.clock), resetCount, restartCount })
  }
}

/** What a tally consists of, its tables apart. */
export interface TallyState {
  readonly size: number
  readonly clock: FoldedClock['state']
  readonly kept: Kept['state']
  readonly executions: Executions['state']
  readonly horizonMs: number | null
  readonly lostBeforeMs: number | null
  readonly snapshot: number | null
  readonly quoted: QuotedState | null
}

/** The clocks of an entry. */
export function lookOf({ time, bootNs }: LineageEvent): EntryLook {
  // A decimal number without its last six digits: of 20 at most, so that what is left is exact.
  return { wallMs: Date.parse(time), bootMs: Number(bootNs.slice(0, -6)), suspendedMs: 0 }
}
