/** Clocks when an entry was made, in milliseconds. */
export interface EntryLook {
  readonly wallMs: number
  readonly bootMs: number
  readonly suspendedMs: number
}

/** A TPM's clock, as an appraisal has it. */
export interface QuotedClock {
  readonly clock: bigint
  readonly resetCount: number
  readonly restartCount: number
}

/** A quote that was taken over, with the clocks of its entry. The TPM's clock is a decimal number. */
export interface QuotedState extends EntryLook {
  readonly clock: string
  readonly resetCount: number
  readonly restartCount: number
  readonly slackMs: number
}

/** All that a judge of the wall clock knows. */
export interface ClockState {
  readonly bootId: string | null
  readonly offsetMs: number | null
  readonly offsetAtMs: number
  readonly floorMs: number
  readonly first: QuotedState | null
  readonly last: QuotedState | null
  readonly fault: string | null
}

/** Who judges the wall clock by what the log tells of it (`authorization/clock-watch.ts`). */
export interface FoldedClock {
  readonly fault: string | null
  /** The newest time that was relied on, ms. */
  readonly floorMs: number
  readonly state: ClockState
  begin(bootId: string): void
  look(look: EntryLook): unknown
  distrust(why: string): void
  resume(): void
  accept(look: EntryLook): void
  recorded(look: EntryLook, slackMs: number, tpm: QuotedClock): void
}

/** Makes one that knows nothing yet, or what another knew. */
export type MakeClock<C extends FoldedClock = FoldedClock> = (state?: ClockState) => C
