import type { LineageEvent } from '../events/index.ts'

/** Kinds of which only the newest counts. */
const NEWEST = [
  'daemon-start',
  'trust-roots',
  'policy',
  'host-labels',
  'secret-policy',
  'attest',
  'quoted',
] as const
type Newest = (typeof NEWEST)[number]

/** Kinds of which each counts. They are the work of operators, and few. */
const EACH: ReadonlySet<LineageEvent['type']> = new Set([
  'revocation',
  'reference-values',
  'rollback-accepted',
  'epoch',
  'epoch-accepted',
] as const)

/** An entry, and whether it may put an end to what came before: that depends on who vouches for it, or on the configuration. */
export interface Step {
  readonly index: number
  readonly ends: boolean
}

/** Indices of entries, by why they count. */
export interface KeptState {
  readonly newest: { readonly [K in Newest]: number | null }
  readonly each: readonly number[]
  readonly failure: readonly Step[]
  readonly tail: readonly Step[]
  readonly clock: readonly Step[]
}

/**
 * Which entries still count: those that a start reads again, with the keys and the configuration of that day, because what they do depends on them. An entry
 * that a later one makes of no effect whatever the keys and the configuration does not count any more.
 */
export class Kept {
  readonly #newest: { [K in Newest]: number | null }
  readonly #each: number[]
  #failure: Step[]
  #tail: Step[]
  #clock: Step[]

  constructor(state?: KeptState) {
    this.#newest = {
      'daemon-start': null,
      'trust-roots': null,
      policy: null,
      'host-labels': null,
      'secret-policy': null,
      attest: null,
      quoted: null,
      ...state?.newest,
    }
    this.#each = [...(state?.each ?? [])]
    this.#failure = [...(state?.failure ?? [])]
    this.#tail = [...(state?.tail ?? [])]
    this.#clock = [...(state?.clock ?? [])]
  }

  get state(): KeptState {
    return {
      newest: { ...this.#newest },
      each: this.#each,
      failure: this.#failure,
      tail: this.#tail,
      clock: this.#clock,
    }
  }

  /** In their order, each once. */
  get indices(): number[] {
    const steps = [...this.#failure, ...this.#tail, ...this.#clock].map(({ index }) => index)
    const newest = Object.values(this.#newest).filter(index => index !== null)
    return [...new Set([...newest, ...this.#each, ...steps])].sort((a, b) => a - b)
  }

  /** Whether the wall clock is said to be wrong, if every clearance counts. */
  get clockFault(): boolean {
    const last = this.#clock.at(-1)
    return last !== undefined && !last.ends
  }

  /** The operator's clearance of the clock on which its state rests; null if on none. */
  get clockClearance(): number | null {
    return this.#clock.findLast(({ ends }) => ends)?.index ?? null
  }

  apply(index: number, event: LineageEvent): void {
    if (EACH.has(event.type)) this.#each.push(index)
    switch (event.type) {
      case 'daemon-start':
      case 'trust-roots':
      case 'policy':
      case 'host-labels':
      case 'secret-policy':
        this.#newest[event.type] = index
        return
      case 'execution-end':
        // Its permit is in the log before this one, whose first entry names it: no permit is a first entry.
        if (event.decision === 0) this.#each.push(index)
        return
      case 'recovery':
        this.#tail = [{ index, ends: false }]
        return
      case 'tail-accepted':
        if (this.#tail.length > 0) this.#tail.push({ index, ends: true })
        return
      case 'trust-transition':
        // Whatever was before, now it is this one.
        if (event.to === 'FAILED') this.#failure = [{ index, ends: false }]
        else if (event.from === 'FAILED') this.#mayEndFailure(index)
        return
      case 'failure-cleared':
        this.#mayEndFailure(index)
        return
      case 'appraisal':
        this.#applyAppraisal(index, event)
        return
      case 'clock-untrusted':
        this.#clock = [...this.#clockCleared(), { index, ends: false }]
        return
      case 'clock-trusted':
        this.#applyClockTrusted(index, event.by)
        return
      default:
        return
    }
  }

  #mayEndFailure(index: number): void {
    if (this.#failure.length > 0) this.#failure.push({ index, ends: true })
  }

  #applyAppraisal(index: number, event: LineageEvent & { type: 'appraisal' }): void {
    // It fails a host that had not failed, or may not have.
    if (event.verdict === 'fail' && (this.#failure.at(-1)?.ends ?? true))
      this.#failure.push({ index, ends: false })
    if (event.clock === null) return
    if (!event.reasons.some(({ code }) => code === 'CLOCK_ROLLED_BACK')) this.#newest.attest = index
    if (event.verdict !== 'fail') this.#newest.quoted = index
  }

  /** A clearance rests on the fault that it names. The TPM's word makes everything before it of no effect. */
  #applyClockTrusted(index: number, by: 'return' | 'tpm' | 'operator'): void {
    if (by === 'tpm') this.#clock = []
    else if (by === 'return') this.#clock = this.#clockCleared()
    else if (this.clockFault) this.#clock = [this.#clock.at(-1) as Step, { index, ends: true }]
  }

  /** The newest clearance of the clock and the fault that it names; empty if there is none. */
  #clockCleared(): Step[] {
    return this.#clock.slice(0, this.#clock.findLastIndex(({ ends }) => ends) + 1)
  }
}
