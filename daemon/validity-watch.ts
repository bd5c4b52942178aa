import type { History } from './history/history.ts'

/** Longest time between two looks: a wall clock that was set forward is noticed within it. */
const MOST_MS = 10_000

export interface ValidityWatchOptions {
  readonly wallMs: () => number
  /** When something in force begins or ceases to count, in milliseconds since the epoch, in any order. */
  readonly instants: () => readonly number[]
  /** One of them has passed. */
  readonly passed: () => void
}

/**
 * Wakes when a document in force runs out or begins to count: what runs under it is decided on again at that instant, and not only when
 * somebody asks. Decisions do not rely on it, they look at the clock themselves.
 */
export class ValidityWatch {
  readonly #o: ValidityWatchOptions
  #lookedMs = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | null = null

  constructor(options: ValidityWatchOptions) {
    this.#o = options
  }

  /** Begins, and looks again after every change of what is in force. */
  look(): void {
    const { wallMs, instants, passed } = this.#o
    const now = wallMs()
    const all = instants()
    const since = this.#lookedMs
    this.#lookedMs = now
    if (this.#timer !== null) clearTimeout(this.#timer)
    const next = Math.min(...all.filter(instant => instant > now), now + MOST_MS)
    this.#timer = setTimeout(() => this.look(), next - now).unref()
    if (all.some(instant => instant > since && instant <= now)) passed()
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}

/** The instants at which what is in force begins or ceases to count: policy, labels, trust roots and their keys. */
export function instantsOf({
  policy,
  hostLabels,
  trustRoots,
}: Pick<History, 'policy' | 'hostLabels' | 'trustRoots'>): number[] {
  const keys = [...(trustRoots?.authorities.values() ?? [])].flatMap(authority => authority.keys)
  const times = [
    ...[policy?.notBefore, policy?.notAfter, hostLabels?.notAfter, trustRoots?.notAfter],
    ...keys.flatMap(({ notBefore, notAfter }) => [notBefore, notAfter]),
  ]
  return times.flatMap(time => (time === undefined || time === 'any' ? [] : [Date.parse(time)]))
}
