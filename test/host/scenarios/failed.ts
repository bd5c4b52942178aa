import { equal, match } from 'node:assert/strict'
import type { LineageEvent } from '../../../lineage/index.ts'
import { ALICE, PROGRAMS, status, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType } from '../lineage.ts'
import { type Bench, known } from './bench.ts'
import { issueGreet } from './govern.ts'

/** Asks a FAILED host for a run under an artifact that is good: ATTESTATION_FAILED. @throws AssertionError */
export async function deniedAsFailed(bench: Bench, guest: Guest): Promise<void> {
  await guest.put(
    '/run/denied.artifact.json',
    await issueGreet(bench, `denied-${Date.now()}`, ['no', '0'], 'any'),
  )
  const done = await tryWrit(
    guest,
    ['run', '--artifact', '/run/denied.artifact.json', '--', `${PROGRAMS}/greet`, 'no', '0'],
    { user: ALICE },
  )
  equal(done.status, 1)
  match(done.stderr.toString(), /ATTESTATION_FAILED/)
  equal(done.stdout.toString(), '')
}

/** Has the operator clear the failure, outside, and the host be ATTESTED again. */
export async function clear(bench: Bench, guest: Guest, name: string): Promise<void> {
  const { operator } = bench
  const { failureEntry = '' } = await status(guest)
  const file = operator.path(`${name}.clearance.json`)
  await operator.writ(
    ...['clear', '--failure', '--key', operator.key, '--host', known(bench).hostId],
    ...['--entry', failureEntry, '--out', file],
  )
  await guest.put('/run/clearance.json', operator.read(`${name}.clearance.json`))
  const sent = await tryWrit(guest, ['clear', '--send', '/run/clearance.json'])
  equal(sent.status, 0, sent.stderr.toString())
  await until(guest, 'ATTESTED')
}

/** `FROM TO` of each transition, with commas between. */
export function transitions(events: readonly LineageEvent[]): string {
  return ofType(events, 'trust-transition')
    .map(({ from, to }) => `${from} ${to}`)
    .join()
}
