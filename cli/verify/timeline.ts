/** How long an entry may take from its time until what it says is in force: written, synced, taken over. */
export const IN_FORCE_MS = 2_000
/** How long a decision may take from the look at its inputs to its entry: what is too large for that is synced before. */
export const RECORDED_MS = 10_000

/**
 * One thing that the log changes, and since when it was as it was. A decision looks at its inputs before it has an entry, so
 * a change that lies just before that entry may have come too late for it.
 */
export class Timeline<T> {
  /** Oldest first; the time is that of the entry that began it. */
  #versions: { readonly value: T; readonly fromMs: number }[]
  /** How long after its entry a change may not yet be in force. */
  readonly #slackMs: number

  constructor(initial: T, slackMs: number) {
    this.#versions = [{ value: initial, fromMs: Number.NEGATIVE_INFINITY }]
    this.#slackMs = slackMs
  }

  get newest(): T {
    return (this.#versions.at(-1) as { value: T }).value
  }

  set(value: T, fromMs: number): void {
    this.#versions.push({ value, fromMs })
  }

  /** Begins anew: what was before is over for everybody. */
  reset(value: T): void {
    this.#versions = [{ value, fromMs: Number.NEGATIVE_INFINITY }]
  }

  /** What may have been in force for somebody who looked at `lookedMs` and is recorded now, newest first. */
  seenAt(lookedMs: number): T[] {
    const seen: T[] = []
    for (const { value, fromMs } of this.#versions.toReversed()) {
      seen.push(value)
      if (lookedMs > fromMs + this.#slackMs) break
    }
    return seen
  }
}
