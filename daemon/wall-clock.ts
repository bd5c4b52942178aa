/** How far the wall clock may stand behind what the lineage has already recorded, or move against the boot clock between two looks. NTP slews; it does not step this far on a host that is in order. */
export const WALL_CLOCK_TOLERANCE_MS = 5_000

/** One look at the wall clock. */
export interface WallTime {
  /** Milliseconds since the epoch. */
  readonly ms: number
  /** Why validity times cannot be judged by it; null when they can. */
  readonly untrusted: string | null
}

/**
 * The wall clock, watched. Validity of artifacts is judged by it, and whoever can set it back could revive what has expired.
 * So it is compared with two things that cannot be set: the boot clock, and the newest time in the lineage.
 */
export class WallClock {
  readonly #wall: () => number
  readonly #bootMs: () => number
  #floorMs: number
  /** Wall minus boot, as first seen; a step of the wall clock changes it. */
  #offsetMs: number

  /**
   * @param wall milliseconds since the epoch
   * @param bootNs the boot clock in nanoseconds
   * @param newestRecordedMs time of the newest lineage entry, or 0
   */
  constructor(wall: () => number, bootNs: () => bigint, newestRecordedMs: number) {
    this.#wall = wall
    this.#bootMs = () => Number(bootNs() / 1_000_000n)
    this.#floorMs = newestRecordedMs
    this.#offsetMs = wall() - this.#bootMs()
  }

  now(): WallTime {
    const ms = this.#wall()
    const offset = ms - this.#bootMs()
    if (ms < this.#floorMs - WALL_CLOCK_TOLERANCE_MS) {
      return { ms, untrusted: `the wall clock is ${this.#floorMs - ms} ms behind what was already recorded` }
    }
    if (offset < this.#offsetMs - WALL_CLOCK_TOLERANCE_MS) {
      return { ms, untrusted: `the wall clock was set back by ${Math.round(this.#offsetMs - offset)} ms` }
    }
    // Forward steps are taken over: they can only end validity sooner, and from then on there is no way back.
    this.#floorMs = Math.max(this.#floorMs, ms)
    this.#offsetMs = Math.max(this.#offsetMs, offset)
    return { ms, untrusted: null }
  }
}
