import { type LineageEvent, parseEvent, peekType } from '../../lineage/index.ts'
import { CliError } from '../error.ts'
import { executionOf, type Family, permitOf } from './execution.ts'
import { type Decided, type RequestFacts, requestFacts } from './request-facts.ts'
import type { Criteria } from './selection.ts'
import type { LogSource, RawEntry } from './source.ts'

/** An entry that was picked. */
export interface Picked {
  readonly index: number
  readonly bytes: Buffer
  readonly event: LineageEvent
}

/** Executions whose permit is remembered as one that is asked for, or not. */
const MAX_KNOWN = 10_000

/** Reads an entry. @throws CliError that says which one cannot be read */
export function readEntry({ index, bytes }: RawEntry): Picked {
  try {
    return { index, bytes, event: parseEvent(bytes) }
  } catch (cause) {
    throw new CliError(
      'FILE_MALFORMED',
      `entry ${index} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, next: `--to ${index} and --from ${index + 1} read around it.` },
    )
  }
}

/**
 * Picks entries. What is asked of a request (its caller, its program, …) is asked of the permit of the execution that an entry is about, which
 * the entry names.
 */
export class Filter {
  readonly #source: LogSource
  readonly #criteria: Criteria
  readonly #family: Family | null
  readonly #asksOfRequest: boolean
  readonly #asksOfRecord: boolean
  /** By position of the permit. */
  readonly #known = new Map<number, boolean>()

  /** @param family only entries that are about it are picked; null: all. It has to see them from its permit on */
  constructor(source: LogSource, criteria: Criteria, family: Family | null) {
    const { callers, unit, cgroup, program, issuer, artifact } = criteria
    this.#source = source
    this.#criteria = criteria
    this.#family = family
    this.#asksOfRecord = [program, issuer, artifact].some(test => test !== null)
    this.#asksOfRequest = this.#asksOfRecord || [callers, unit, cgroup].some(test => test !== null)
  }

  /** Whether entries have to be given to it in their order. */
  get inOrder(): boolean {
    return this.#family !== null
  }

  /** Types that are worth reading; empty: all. */
  get types(): ReadonlySet<string> {
    // Who belongs to a family is said by entries of other types.
    return this.#family === null ? this.#criteria.types : new Set()
  }

  /** @returns null unless it is picked. @throws CliError, CallError */
  async pick(raw: RawEntry): Promise<Picked | null> {
    const { types } = this.#criteria
    const wanted = types.size === 0 || types.has(peekType(raw.bytes) ?? '')
    if (!wanted && this.#family === null) return null
    const entry = readEntry(raw)
    if (this.#family !== null && !this.#family.take(entry.event)) return null
    if (!wanted || !this.#fits(entry.event)) return null
    return !this.#asksOfRequest || (await this.#fitsRequest(entry)) ? entry : null
  }

  /** What is asked of the entry itself. */
  #fits(event: LineageEvent): boolean {
    const { outcome, reasons } = this.#criteria
    if (outcome !== null && outcomeOf(event) !== outcome) return false
    return reasons === null || codesOf(event).some(code => reasons.has(code))
  }

  async #fitsRequest({ index, event }: Picked): Promise<boolean> {
    if (event.type === 'denials-counted') {
      // Of many only the uid is known.
      const { callers, unit, cgroup } = this.#criteria
      return callers?.has(event.uid) === true && unit === null && cgroup === null && !this.#asksOfRecord
    }
    if (event.type === 'decision' || event.type === 'renewal') return this.#fitsDecision(event)
    if (executionOf(event) === null) return false
    const at = event.type === 'thaw' ? event.renewal : permitOf(index, event)
    if (at === null) return false
    const known = this.#known.get(at)
    if (known !== undefined) return known
    let fits = false
    for await (const raw of this.#source.read(at, at + 1)) {
      const permit = readEntry(raw).event
      fits = (permit.type === 'decision' || permit.type === 'renewal') && (await this.#fitsDecision(permit))
    }
    this.#known.set(at, fits)
    const oldest = this.#known.keys().next().value
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest)
    return fits
  }

  async #fitsDecision(event: Decided): Promise<boolean> {
    const { callers, unit, cgroup, program, issuer, artifact } = this.#criteria
    const { caller } = event
    if (callers !== null && !callers.has(caller.uid)) return false
    if (unit !== null && !unit(caller.unit)) return false
    if (cgroup !== null && !cgroup(caller.cgroup)) return false
    if (!this.#asksOfRecord) return true
    const facts: RequestFacts = await requestFacts(event, this.#source.blob)
    return (
      (program === null || program(facts.program, facts.digests)) &&
      (issuer === null || issuer(facts.issuer)) &&
      (artifact === null || artifact(event.artifact, facts.id))
    )
  }
}

function outcomeOf(event: LineageEvent): string | null {
  if (event.type === 'denials-counted') return 'deny'
  return 'outcome' in event ? event.outcome : null
}

/** Every reason or cause that an entry has. */
function codesOf(event: LineageEvent): readonly string[] {
  if (event.type === 'denials-counted') return Object.keys(event.reasonCounts)
  if (event.type === 'epoch') return [event.why.code]
  if ('reasons' in event) return event.reasons.map(({ code }) => code)
  return 'cause' in event ? [event.cause] : []
}
