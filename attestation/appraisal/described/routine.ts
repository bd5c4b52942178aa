import { hash } from 'node:crypto'

/** PCRs that the firmware closes with a separator (PFP 1.06, section 2.3.4). */
export const SEPARATED_PCRS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7]

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
