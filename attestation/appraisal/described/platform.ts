import type { OtherEvent } from '../../reference/statements.ts'
import { type Ledger, oneOf } from './ledger.ts'
import { isRoutine, SEPARATED_PCRS, SEPARATOR_DIGESTS } from './routine.ts'

/** One separator closes the firmware's part of each PCR: without it anything that was measured may be the firmware's or not. */
export function judgeSeparators(ledger: Ledger): void {
  for (const pcr of SEPARATED_PCRS) {
    if (!ledger.isDescribed(pcr)) continue
    // A second one is a problem that the event log's replay names.
    const separators = ledger.take(pcr, ({ digest }) => SEPARATOR_DIGESTS.has(digest))
    if (separators.length === 0) {
      ledger.fail('PCR_EVENT_MISSING', `PCR ${pcr} has no separator`, `PCR ${pcr}`, 'a separator')
    }
  }
}

/** What says nothing for or against a host: actions of a boot that goes on, and systemd's own separator. */
export function judgeRoutine(ledger: Ledger): void {
  for (const pcr of SEPARATED_PCRS) ledger.take(pcr, ({ digest }) => isRoutine(pcr, digest))
}

/** Events that the document lists one by one. */
export function judgeListedEvents(ledger: Ledger, events: readonly OtherEvent[]): void {
  const byPcr = Map.groupBy(events, ({ pcr }) => pcr)
  for (const [pcr, listed] of byPcr) {
    const known = new Set(listed.flatMap(({ digests }) => digests))
    const seen = new Set(ledger.take(pcr, ({ digest }) => known.has(digest)).map(({ digest }) => digest))
    for (const { name, digests, optional } of listed) {
      if (optional || digests.some(digest => seen.has(digest))) continue
      ledger.fail(
        'PCR_EVENT_MISSING',
        `PCR ${pcr} was not extended with ${name}`,
        `PCR ${pcr}`,
        oneOf(digests),
      )
    }
  }
}
