import { equal, match, notEqual } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { ALICE, PROGRAMS, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { Runbook } from '../runbook.ts'
import { type Bench, known, remember } from './bench.ts'
import { issueGreet } from './govern.ts'

/** What a simulated TPM's certificate leads to is no maker of hardware. */
const WRITTEN: readonly [string, string][] = [['--hardware-ek-root', '--ek-root']]

/** Another TPM is put into the host, and docs/operations/tpm-replacement.md followed as written: another host, which is governed as the one before. */
export async function replacement(bench: Bench): Promise<void> {
  const { steps, machine, operator } = bench
  const first = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(first, 'ATTESTED'))
  await first.put('/etc/writ/operator.key', operator.read('operator.key'), '600')
  await first.put('/etc/writ/vendor-root.pem', readFileSync(machine.ekRoot))
  const { hostId } = known(bench)
  const book = await Runbook.open(first, '/root')
  await steps.step('tpm-replacement.md, over the replacement', () =>
    book.follow(
      'tpm-replacement.md',
      {
        // As `govern` has left it.
        enrolled: async () => undefined,
        'another TPM': async () => {
          await steps.powerOff(first)
          await machine.replaceTpm()
          const second = await steps.boot('it boots with another TPM', () => machine.boot())
          await steps.step('and permits nothing', () => permitsNothing(bench, second))
          return second
        },
      },
      WRITTEN,
      'sh',
    ),
  )
  const { guest } = book
  await steps.step('it is ATTESTED as another host, and says so of the one that it was', async () => {
    const now = await until(guest, 'ATTESTED')
    notEqual(now.hostId, hostId)
    match((await tryWrit(guest, ['revoke', '--list'])).stdout.toString(), new RegExp(hostId))
    remember(bench, { hostId: now.hostId })
  })
  await steps.step('an artifact for it runs, and one for the old is for another host', async () => {
    const done = await greet(bench, guest, 'anew')
    equal(done.stdout.toString().slice(0, 4), 'anew', done.stderr.toString())
    remember(bench, { hostId })
    match((await greet(bench, guest, 'before')).stderr.toString(), /AUDIENCE_MISMATCH/)
  })
  await steps.powerOff(guest)
}

async function permitsNothing(bench: Bench, guest: Guest): Promise<void> {
  const done = await greet(bench, guest, 'early')
  notEqual(done.status, 0)
  equal(done.stdout.toString(), '')
}

/** Asks for a run under an artifact for the host that is known outside. */
async function greet(bench: Bench, guest: Guest, name: string): Promise<Awaited<ReturnType<typeof tryWrit>>> {
  await guest.put(`/run/${name}.artifact.json`, await issueGreet(bench, name, [name, '0'], 'any'))
  const run = ['run', '--artifact', `/run/${name}.artifact.json`, '--', `${PROGRAMS}/greet`, name, '0']
  return tryWrit(guest, run, { user: ALICE })
}
