import { equal, match } from 'node:assert/strict'
import { ALICE, PROGRAMS, tryWrit } from '../../governed.ts'
import type { Guest } from '../../guest.ts'

/** What `writ run` says when the lease has ended what it ran: daemon and supervisor both look, and whichever comes first has the word. */
export const ENDED_BY_LAPSE = /^writ: ended by (ATTESTATION_STALE|LEASE_LAPSED)/m

/** Asks for a run under the artifact that the scenario has permitted before. @throws AssertionError unless it is denied for a reason of `reasons` */
export async function denied(guest: Guest, reasons: RegExp): Promise<void> {
  const done = await tryWrit(
    guest,
    ['run', '--artifact', '/run/long.artifact.json', '--', `${PROGRAMS}/greet`, 'long', '0', '3600'],
    { user: ALICE },
  )
  equal(done.status, 1, `${done.stdout}${done.stderr}`)
  match(done.stderr.toString(), reasons)
  equal(done.stdout.toString(), '')
}

/** As {@link denied}, because the evidence is too old. */
export function deniedAsLate(guest: Guest): Promise<void> {
  return denied(guest, /ATTESTATION_STALE/)
}

/** What a unit has written in this boot. */
export function journalOf(guest: Guest, unit: string): Promise<string> {
  return guest.ok(`journalctl -b --no-pager -o cat -u ${unit}`)
}
