/**
 * How far a wall clock may stand from where it is expected, in either direction. NTP slews smaller differences, and slewing moves the boot clock along
 * (adjtimex(2)); a leap second is one second; a time that is set by hand or stepped at boot is more.
 */
export const CLOCK_TOLERANCE_MS = 5_000
/**
 * By how much a TPM's clock may run fast or slow: 15 % (TPM 2.0 Part 1, "Timing Components"; Part 3, TPM2_ClockRateAdjust), in the reference
 * implementation 5,000 of 30,000 counts (CLOCK_ADJUST_LIMIT, PlatformClock.h).
 */
const TPM_RATE = 5_000 / 30_000
/** What is expected follows small steps no faster than this: as fast as NTP disciplines a clock (MAXFREQ, kernel/time/ntp.c: 500 ppm). */
const FOLLOW_RATE = 500e-6

/** Clocks of one instant, in milliseconds. */
export interface ClockLook {
  /** Since the epoch. */
  readonly wallMs: number
  /** CLOCK_BOOTTIME. */
  readonly bootMs: number
  /** How much of it the host was suspended: CLOCK_BOOTTIME less CLOCK_MONOTONIC. 0 where nobody knows. */
  readonly suspendedMs: number
}

/** A TPM's clock as a quote has it (TPMS_CLOCK_INFO). */
export interface TpmClock {
  /** Milliseconds in which the TPM had power; kept over resets, set back to what was stored last by a loss of power. */
  readonly clock: bigint
  readonly resetCount: number
  readonly restartCount: number
}

/** An earlier quote, and all clocks when it was there. */
export interface ClockBase extends TpmClock, ClockLook {
  /** How long it took. */
  readonly slackMs: number
}

/** A quote as {@link ClockWatchState} has it: the TPM's clock is a decimal number. */
type BaseState = Omit<ClockBase, 'clock'> & { readonly clock: string }

/** All that a watch knows, as what can be written to a file. */
export interface ClockWatchState {
  readonly bootId: string | null
  readonly offsetMs: number | null
  readonly offsetAtMs: number
  readonly floorMs: number
  readonly first: BaseState | null
  readonly last: BaseState | null
  readonly fault: string | null
}

/**
 * Whether a wall clock can be relied on. Validity is judged by it, and whoever can set it can revive what has expired or reach what is not yet valid. It
 * is held against what cannot be set: the boot clock, the newest time that was relied on before, and the TPM's clock in quotes. What once
 * disagreed stays out of trust until a quote finds all of them in agreement again, or an operator has looked at it.
 */
export class ClockWatch {
  #bootId: string | null = null
  /** Wall minus boot, as expected; null until there was a look in this boot. */
  #offsetMs: number | null = null
  #offsetAtMs = 0
  #floorMs = 0
  /** The first and the last quote of the same counts that agreed: one shows slow drift, the other small steps. */
  #first: ClockBase | null = null
  #last: ClockBase | null = null
  #fault: string | null = null

  /** @param state what another watch knew; left out: nothing */
  constructor(state?: ClockWatchState) {
    if (state === undefined) return
    this.#bootId = state.bootId
    this.#offsetMs = state.offsetMs
    this.#offsetAtMs = state.offsetAtMs
    this.#floorMs = state.floorMs
    this.#first = state.first && { ...state.first, clock: BigInt(state.first.clock) }
    this.#last = state.last && { ...state.last, clock: BigInt(state.last.clock) }
    this.#fault = state.fault
  }

  /** What it knows now. */
  get state(): ClockWatchState {
    return {
      bootId: this.#bootId,
      offsetMs: this.#offsetMs,
      offsetAtMs: this.#offsetAtMs,
      floorMs: this.#floorMs,
      first: this.#first && stateOf(this.#first),
      last: this.#last && stateOf(this.#last),
      fault: this.#fault,
    }
  }

  /** Why it is not relied on; null if it is. */
  get fault(): string | null {
    return this.#fault
  }

  /** The newest time that was relied on, ms. */
  get floorMs(): number {
    return this.#floorMs
  }

  /** A daemon starts: in another boot the boot clock is another. */
  begin(bootId: string): void {
    if (bootId !== this.#bootId) this.#offsetMs = null
    this.#bootId = bootId
  }

  /** Looks. @returns {@link fault} */
  look(look: ClockLook): string | null {
    this.#fault ??= this.judge(look)
    if (this.#fault === null) this.take(look)
    return this.#fault
  }

  /** Why a look does not go on from those before; null if it does. Changes nothing. */
  judge({ wallMs, bootMs }: ClockLook, toleranceMs = CLOCK_TOLERANCE_MS): string | null {
    if (wallMs < this.#floorMs - toleranceMs)
      return `the wall clock is ${Math.round(this.#floorMs - wallMs)} ms behind what was already recorded`
    if (this.#offsetMs === null) return null
    const aheadMs = Math.round(wallMs - bootMs - this.#offsetMs)
    if (aheadMs < -toleranceMs) return `the wall clock was set back by ${-aheadMs} ms`
    return aheadMs > toleranceMs ? `the wall clock was set forward by ${aheadMs} ms` : null
  }

  /** Takes a look over that was found to be good. */
  take({ wallMs, bootMs }: ClockLook): void {
    const offset = wallMs - bootMs
    this.#floorMs = Math.max(this.#floorMs, wallMs)
    const mostMs = Math.max(0, bootMs - this.#offsetAtMs) * FOLLOW_RATE
    this.#offsetMs =
      this.#offsetMs === null
        ? offset
        : this.#offsetMs + Math.max(-mostMs, Math.min(mostMs, offset - this.#offsetMs))
    this.#offsetAtMs = bootMs
  }

  /** The log says that it was found wrong. */
  distrust(why: string): void {
    this.#fault ??= why
  }

  /** The log says that all agreed again. */
  resume(): void {
    this.#fault = null
  }

  /** It is right from here on, as an operator says, or the TPM. What was relied on before does not count any more. */
  accept(look: ClockLook): void {
    this.#fault = null
    this.#offsetMs = null
    this.#floorMs = look.wallMs
    this.#first = null
    this.#last = null
    this.take(look)
  }

  /** A quote that the log has, of which only the time of its entry is known. */
  recorded(look: ClockLook, slackMs: number, tpm: TpmClock): void {
    if (this.#fault === null) this.#remember({ ...look, ...tpm, slackMs })
  }

  /**
   * Holds the wall clock against the TPM's, too.
   *
   * @param look right after the quote was there
   * @param slackMs how long it took
   * @returns by what it is relied on again; null if it was before, or is not now
   */
  quoted(look: ClockLook, slackMs: number, tpm: TpmClock): 'return' | 'tpm' | null {
    const byBoot = this.judge(look)
    const bases = [this.#last, this.#first].filter(base => base !== null)
    const byTpm =
      bases.map(base => tpmDisagreement(base, look, slackMs, tpm)).find(why => why !== null) ?? null
    const before = this.#fault
    if (byTpm === null && byBoot === null) {
      this.#fault = null
      this.take(look)
    } else if (byTpm === null && this.#isExplained(look, slackMs, tpm)) {
      this.#fault = null
      this.#offsetMs = null
      this.take(look)
    } else {
      this.#fault ??= byBoot ?? byTpm
      return null
    }
    this.#remember({ ...look, ...tpm, slackMs })
    return before === null ? null : byBoot === null ? 'return' : 'tpm'
  }

  /**
   * Whether it is the boot clock that is wrong: it stands still in a virtual machine that is paused, and the TPM's does not. The wall clock agrees with the
   * TPM's, and where the boot clock expects it to be does not.
   */
  #isExplained(look: ClockLook, slackMs: number, tpm: TpmClock): boolean {
    if (this.#offsetMs === null || this.#last === null) return false
    if (look.wallMs < this.#floorMs - CLOCK_TOLERANCE_MS) return false
    const expected = { ...look, wallMs: this.#offsetMs + look.bootMs }
    return isSamePower(this.#last, tpm) && tpmDisagreement(this.#last, expected, slackMs, tpm) !== null
  }

  #remember(base: ClockBase): void {
    if (this.#first === null || !isSamePower(this.#first, base)) this.#first = base
    this.#last = base
  }
}

/** Exactly its own fields: a base is made of objects that may have more. */
function stateOf({
  wallMs,
  bootMs,
  suspendedMs,
  clock,
  resetCount,
  restartCount,
  slackMs,
}: ClockBase): BaseState {
  return { wallMs, bootMs, suspendedMs, clock: String(clock), resetCount, restartCount, slackMs }
}

/** Whether the TPM had power all the time in between. */
export function isSamePower(a: TpmClock, b: TpmClock): boolean {
  return a.resetCount === b.resetCount && a.restartCount === b.restartCount
}

/** Why a wall clock cannot be where it is, by the time that passed for the TPM since an earlier quote; null if it can. */
export function tpmDisagreement(
  base: ClockBase,
  look: ClockLook,
  slackMs: number,
  tpm: TpmClock,
): string | null {
  const passedMs = Number(tpm.clock - base.clock)
  const samePower = isSamePower(base, tpm)
  // A loss of power sets it back, and then it says nothing of the time that passed.
  if (passedMs < 0) return null
  const wallMs = look.wallMs - base.wallMs
  const slack = CLOCK_TOLERANCE_MS + base.slackMs + slackMs
  const least = passedMs / (1 + TPM_RATE) - slack
  // Without power it stands still; a suspended host may leave it without.
  const most = samePower
    ? passedMs / (1 - TPM_RATE) + slack + Math.max(0, look.suspendedMs - base.suspendedMs)
    : Number.POSITIVE_INFINITY
  if (wallMs >= least && wallMs <= most) return null
  const seconds = (ms: number) => (ms / 1000).toFixed(1)
  return `the wall clock went on by ${seconds(wallMs)} s while the TPM's went on by ${seconds(passedMs)} s`
}
