/** Most bytes that a count may be ahead of what was given on, and which part of the limit. */
const AHEAD_BYTES = 64 * 1024
const AHEAD_PART = 64

/**
 * Counts output where somebody remembers it who outlives a crash of this process: each number is told before the bytes are given on that it covers.
 * Told is a little more, so that not every piece has to be: what is remembered is never less than what was given on, and ahead of it by at most 64 KiB,
 * or by a 64th of the limit where that is less.
 */
export class OutputCount {
  readonly #limit: number
  readonly #ahead: number
  readonly #tell: (bytes: number) => void
  #told: number

  /**
   * @param before bytes that count already
   * @param limit most that there may be; what is beyond is given to nobody
   * @param tell never waits
   */
  constructor(before: number, limit: number, tell: (bytes: number) => void) {
    this.#told = before
    this.#limit = limit
    this.#ahead = Math.max(0, Math.min(AHEAD_BYTES, Math.floor(limit / AHEAD_PART)))
    this.#tell = tell
    if (before > 0) tell(before)
  }

  /** As many bytes will have been given on in a moment, since the execution started. */
  upTo(bytes: number): void {
    if (bytes <= this.#told) return
    this.#told = Math.max(bytes, Math.min(this.#limit, bytes + this.#ahead))
    this.#tell(this.#told)
  }
}
