/** Refusals in one turn, and the pause between two turns: at most some two thousand a second, and never more than about a third of the daemon's time. */
const PER_TURN = 64
const PAUSE_MS = 16

/**
 * Calls that are refused for quota, answered at a pace. Each costs the daemon's only thread some 0.2 ms, so that a caller who asks again as
 * soon as it is refused would take all of it, and the lease and the other callers would wait. Held back here, it is held back there too: a
 * connection has a bounded number of calls at one time.
 */
export class PacedRefusals {
  readonly #waiting: (() => void)[] = []
  #timer: NodeJS.Timeout | undefined

  /** Calls `answer` when its turn has come. */
  add(answer: () => void): void {
    this.#waiting.push(answer)
    this.#timer ??= setTimeout(() => this.#turn(), PAUSE_MS).unref()
  }

  #turn(): void {
    for (const answer of this.#waiting.splice(0, PER_TURN)) answer()
    // Set only after the turn, so that a busy daemon refuses less often, not without a pause.
    this.#timer = this.#waiting.length > 0 ? setTimeout(() => this.#turn(), PAUSE_MS).unref() : undefined
  }
}
