import { equal, match, ok } from 'node:assert/strict'
import type { AppraisalReasonCode } from '../../../attestation/index.ts'
import type { LineageEvent } from '../../../lineage/index.ts'
import { ALICE, PROGRAMS, status, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType } from '../lineage.ts'
import { counted, watchedAs } from '../metrics.ts'
import { type Bench, known } from './bench.ts'
import { issueGreet } from './govern.ts'

/** A reason that an appraisal has to give: its code, where there is one to expect, and what its message names. */
export interface Named {
  readonly code?: AppraisalReasonCode
  readonly names: RegExp
}

/**
 * Waits until a host is FAILED, and looks where its operator would: status, journal, metrics and probe all say so, and why.
 * @throws AssertionError when one of them does not
 */
export async function toldAsFailed(guest: Guest, reasons: readonly Named[]): Promise<void> {
  const said = (await until(guest, 'FAILED')).reasons
  const codes = reasons.map(({ code, names }) => {
    const found = said.find(
      reason => (code === undefined || reason.code === code) && names.test(`${reason.at} ${reason.message}`),
    )
    ok(found, `no ${code ?? ''} ${names}: ${JSON.stringify(said)}`)
    return found.code
  })
  const journal = await guest.ok('journalctl -q -b --no-pager -o json -u writd.service WRIT_STATE=FAILED')
  const entries = journal.split('\n').filter(Boolean)
  const told = entries.flatMap(line => (JSON.parse(line) as JournalEntry).WRIT_REASON ?? [])
  for (const code of codes) ok(told.includes(code), `${code} is not in the journal: ${told.join()}`)
  await watchedAs(guest, 'FAILED', new RegExp(`^(${said.map(({ code }) => code).join('|')}): `, 'm'))
  await counted(guest, 'writ_appraisals_total{verdict="fail"}')
  await counted(guest, 'writ_gate_transitions_total{to="FAILED"}')
}

/** A field that an entry has several times is an array (systemd's JSON form of the journal). */
interface JournalEntry {
  readonly WRIT_REASON?: string | readonly string[]
}

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
  await counted(guest, 'writ_denial_reasons_total{reason="ATTESTATION_FAILED"}')
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
