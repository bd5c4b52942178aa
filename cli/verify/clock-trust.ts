import { parseQuoteAttest } from '../../attestation/index.ts'
import {
  CLOCK_TOLERANCE_MS,
  type ClockBase,
  type ClockLook,
  type ClockWatch,
  isSamePower,
  tpmDisagreement,
} from '../../authorization/index.ts'
import type { ReadBlob } from './documents.ts'
import type { EventOf } from './steps.ts'
import { RECORDED_MS } from './timeline.ts'

/** A quote in the log, of a host that did not fail. */
export interface LoggedQuote {
  readonly index: number
  /** SHA-256 of the TPMS_ATTEST. */
  readonly attest: string
  readonly look: ClockLook
}

/** The clocks of an entry. How long the host was suspended is not in the log: all of the boot clock may have been. */
export function clocksOf({ time, bootNs }: EventOf<'appraisal'>): ClockLook {
  const bootMs = Number(BigInt(bootNs) / 1_000_000n)
  return { wallMs: Date.parse(time), bootMs, suspendedMs: bootMs }
}

async function baseOf({ attest, look }: LoggedQuote, blob: ReadBlob): Promise<ClockBase> {
  const { clock } = parseQuoteAttest(await blob(attest))
  const { resetCount, restartCount } = clock
  return { ...look, clock: clock.clock, resetCount, restartCount, slackMs: RECORDED_MS }
}

/**
 * Whether a quote in the log bears out that the wall clock could be relied on again, without anybody's word for it. The TPM's clock is read from the quotes,
 * which are checked elsewhere. Times are those of the entries, so the bounds are wider than `writd`'s by what recording takes.
 *
 * @param now the newest quote since it was found wrong
 * @param before the newest quote while it was relied on
 * @param watch the wall clock while it was relied on
 * @returns why it does not; null if it does
 */
export async function clockNotBorneOut(
  by: 'return' | 'tpm',
  now: LoggedQuote,
  before: LoggedQuote | null,
  watch: ClockWatch,
  blob: ReadBlob,
): Promise<string | null> {
  const byBoot = by === 'return' ? watch.judge(now.look, CLOCK_TOLERANCE_MS + RECORDED_MS) : null
  if (byBoot !== null) return byBoot
  if (before === null)
    return by === 'return' ? null : 'no quote came before by which the TPM could explain the clock'
  const [base, tpm] = await Promise.all([baseOf(before, blob), baseOf(now, blob)])
  if (by === 'tpm' && !isSamePower(base, tpm))
    return 'the TPM was reset or restarted, and cannot explain the clock'
  return tpmDisagreement(base, now.look, RECORDED_MS, tpm)
}
