import { type ClockInfo, formatFirmwareVersion, judgeClock } from '../../attestation/index.ts'

/** A quote in the log, and what is known of when it was made. */
export interface OrderedQuote {
  /** Size of the tree that it is bound to: it was made after all entries below. */
  readonly bound: number
  /** Its own entry: it was made before that. */
  readonly entry: number
  readonly clock: ClockInfo
  /** Null where the entry does not say. */
  readonly firmwareVersion: bigint | null
  /** For a person. */
  readonly what: string
}

/** Quotes that are made at one time: cycles and checkpoints go on side by side, and each has its entry once it is judged. */
const KEPT = 16

/**
 * The clock of one TPM over all quotes of a log. Which of two came first is not taken from where their entries are, since they are made side by side: a quote
 * that is bound to a tree that holds another's entry was made after that one. Then its clock, its counts and its firmware are not behind.
 */
export class ClockOrder {
  readonly #newest: OrderedQuote[] = []
  #firmware: { readonly version: bigint; readonly resetCount: number } | null = null
  resets = 0
  firmwareChanges = 0

  /** Takes the next quote by its entry. @returns what must not be; null when all is well */
  take(quote: OrderedQuote): string | null {
    for (const before of this.#newest) {
      if (before.entry >= quote.bound) continue
      const fault = goesBack(before, quote)
      if (fault !== null) return `${quote.what}: ${fault} since ${before.what}`
    }
    const last = this.#newest.at(-1)
    if (last !== undefined && quote.clock.resetCount > last.clock.resetCount) this.resets++
    this.#newest.push(quote)
    if (this.#newest.length > KEPT) this.#newest.shift()
    return this.#takeFirmware(quote)
  }

  /** Firmware is replaced across a reset, and by a newer one (TPM 2.0 Part 1, "Field Upgrade Mode"). */
  #takeFirmware({ firmwareVersion: version, clock, what }: OrderedQuote): string | null {
    if (version === null) return null
    const before = this.#firmware
    this.#firmware = { version, resetCount: clock.resetCount }
    if (before === null || before.version === version) return null
    this.firmwareChanges++
    const names = `${formatFirmwareVersion(before.version)} to ${formatFirmwareVersion(version)}`
    if (version < before.version) return `${what}: the TPM's firmware went back from ${names}`
    if (clock.resetCount === before.resetCount)
      return `${what}: the TPM's firmware changed from ${names} without a reset`
    return null
  }
}

/** What must not be between two quotes of which it is known that the second was made after the first; null when all is well. */
export function goesBack(
  { clock: before }: Pick<OrderedQuote, 'clock'>,
  { clock: now }: Pick<OrderedQuote, 'clock'>,
): string | null {
  switch (judgeClock({ ...before, firmwareVersion: 0n }, now)) {
    case 'rollback-reset':
      return `the TPM's reset count went back from ${before.resetCount} to ${now.resetCount}`
    case 'rollback-restart':
      return `the TPM's restart count went back from ${before.restartCount} to ${now.restartCount}`
    case 'rollback-clock':
      return `the TPM's clock went back from ${before.clock} to ${now.clock} ms`
    default:
      break
  }
  // Only a start of the TPM can make its clock doubtful (Part 1, "Clock": Safe).
  const isSamePower = before.resetCount === now.resetCount && before.restartCount === now.restartCount
  return isSamePower && before.safe && !now.safe
    ? "the TPM's clock ceased to be safe without a restart"
    : null
}
