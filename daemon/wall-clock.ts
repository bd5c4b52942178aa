import { type ClockLook, ClockWatch, type TpmClock } from '../authorization/index.ts'

/** One look at the wall clock. */
export interface WallTime {
  /** Milliseconds since the epoch. */
  readonly ms: number
  /** Why validity times cannot be judged by it; null when they can. */
  readonly untrusted: string | null
}

/** The clocks of a host. */
export interface Clocks {
  /** Milliseconds since the epoch. */
  readonly wallMs: () => number
  /** The boot clock in nanoseconds. */
  readonly bootNs: () => bigint
  /** CLOCK_MONOTONIC in nanoseconds, which stands still while the host is suspended. */
  readonly monotonicNs: () => bigint
}

export type ClockChange =
  | { readonly trusted: false; readonly why: string }
  | { readonly trusted: true; readonly by: 'return' | 'tpm' }

/** The wall clock of this host, watched ({@link ClockWatch}). */
export class WallClock {
  readonly #clocks: Clocks
  readonly #watch: ClockWatch
  #told: boolean
  /** Called when trust in it is lost or comes back by itself: not within the call that finds it out. */
  onChange: (change: ClockChange) => void = () => undefined

  /**
   * @param watch what the log says of this host's clock, in the boot that goes on now
   * @param told whether the log says that it is not relied on
   */
  constructor(clocks: Clocks, watch: ClockWatch = new ClockWatch(), told = false) {
    this.#clocks = clocks
    this.#watch = watch
    this.#told = told
  }

  /** Why it was not relied on when it was looked at last; null if it was. */
  get fault(): string | null {
    return this.#watch.fault
  }

  now(): WallTime {
    const look = this.read()
    const untrusted = this.#watch.look(look)
    this.#tell()
    return { ms: look.wallMs, untrusted }
  }

  /** All clocks as they are now. */
  read(): ClockLook {
    const bootNs = this.#clocks.bootNs()
    const suspendedMs = Number((bootNs - this.#clocks.monotonicNs()) / 1_000_000n)
    return { wallMs: this.#clocks.wallMs(), bootMs: Number(bootNs / 1_000_000n), suspendedMs }
  }

  /**
   * Takes the clock of a verified quote.
   *
   * @param asked the clocks before it was asked for
   * @param had the clocks when it was there
   */
  quoted(asked: ClockLook, had: ClockLook, tpm: TpmClock): void {
    const by = this.#watch.quoted(had, Math.max(0, had.bootMs - asked.bootMs), tpm)
    if (by !== null) {
      this.#told = false
      queueMicrotask(() => this.onChange({ trusted: true, by }))
    }
    this.#tell()
  }

  /** An operator has looked at it. */
  accept(): void {
    this.#watch.accept(this.read())
    this.#told = false
  }

  #tell(): void {
    const why = this.#watch.fault
    if (why === null || this.#told) return
    this.#told = true
    queueMicrotask(() => this.onChange({ trusted: false, why }))
  }
}
