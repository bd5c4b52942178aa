import { hash } from 'node:crypto'
import type { OtherEvent } from '../../reference/statements.ts'
import { type Ledger, oneOf } from './ledger.ts'

/** PCRs that the firmware closes with a separator (PFP 1.06, section 2.3.4). */
const SEPARATED_PCRS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7]

/** What the firmware measures at the end of its own part: 0 or 0xFFFFFFFF. Another value says that it failed (PFP 1.06, section 10.4.1). */
export const SEPARATOR_DIGESTS: ReadonlySet<string> = new Set(
  ['00000000', 'ffffffff'].map(hex => hash('sha256', Buffer.from(hex, 'hex'))),
)

/** Actions that a good boot has (PFP 1.06, section 10.4.4). Others, `UEFI Debug Mode` among them, have to be listed. */
const ACTIONS: ReadonlyMap<number, readonly string[]> = new Map([
  [4, ['Calling EFI Application from Boot Option', 'Returning from EFI Application from Boot Option']],
  [
    5,
    [
      'Exit Boot Services Invocation',
      'Exit Boot Services Returned with Failure',
      'Exit Boot Services Returned with Success',
    ],
  ],
])
const ACTION_DIGESTS: ReadonlyMap<number, ReadonlySet<string>> = new Map(
  Array.from(ACTIONS, ([pcr, texts]) => [pcr, new Set(texts.map(text => hash('sha256', text)))]),
)
/** With this the firmware begins a new attempt to boot. */
export const ATTEMPT_DIGEST = hash('sha256', 'Calling EFI Application from Boot Option')

/** How systemd closes the firmware's PCRs once more (systemd-pcrosseparator.service). */
const OS_SEPARATOR_DIGEST = hash('sha256', 'os-separator')

/** Whether an event says no more than that the boot goes on, by its digest. */
export function isRoutine(pcr: number, digest: string): boolean {
  return (
    (SEPARATED_PCRS.includes(pcr) && (SEPARATOR_DIGESTS.has(digest) || digest === OS_SEPARATOR_DIGEST)) ||
    (ACTION_DIGESTS.get(pcr)?.has(digest) ?? false)
  )
}

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
