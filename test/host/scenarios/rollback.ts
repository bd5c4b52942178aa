import { equal, match } from 'node:assert/strict'
import { join } from 'node:path'
import { eventually } from '../eventually.ts'
import { ALICE, exportLineage, PROGRAMS, status, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { checkpointOf, codes } from '../lineage.ts'
import { counted, watchedAs } from '../metrics.ts'
import type { Bench } from './bench.ts'
import { known } from './bench.ts'
import { issueGreet } from './govern.ts'

/** The disk is put back to what it was, the TPM is not. */
export async function rollback(bench: Bench): Promise<void> {
  const { steps, machine, operator, dir } = bench
  const yesterday = await machine.copy(join(dir, 'yesterday'))
  const today = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(today, 'ATTESTED'))
  const seen = join(dir, 'seen')
  await steps.step('somebody keeps its checkpoint', () => exportLineage(today, seen))
  await steps.powerOff(today)
  await machine.putBack(yesterday)
  const guest = await steps.boot('it boots with yesterday’s disk', () => machine.boot())
  await steps.step(
    'the daemon does not take up the log: LINEAGE_ROLLED_BACK in status, journal and probe',
    async () => {
      await eventually(
        async () => codes((await status(guest)).reasons).includes('LINEAGE_ROLLED_BACK'),
        300_000,
        async () => JSON.stringify(await status(guest)),
      )
      match(await guest.ok('writ status', { timeoutMs: 600_000 }), /writ clear --rollback/)
      match(await guest.ok('journalctl -q -b --no-pager -o cat -u writd.service'), /LINEAGE_ROLLED_BACK/)
      await watchedAs(guest, 'UNATTESTED', /LINEAGE_ROLLED_BACK/)
    },
  )
  await steps.step('what was permitted is denied: LINEAGE_BROKEN', () => deniedAsBroken(bench, guest))
  const bundle = join(dir, 'bundle')
  await steps.step('whoever has seen the log sees the roll-back outside', async () => {
    await exportLineage(guest, bundle, '--no-sign')
    const done = await operator.try(
      ...['verify', bundle, '--operator-key', operator.publicKey, '--ek-root', machine.ekRoot],
      ...['--host', known(bench).hostId, '--earlier', checkpointOf(seen)],
    )
    equal(done.status, 1)
    match(done.stdout.toString(), /"FAILED"/)
  })
  await steps.powerOff(guest)
}

/** @throws AssertionError unless the daemon serves, and says no */
async function deniedAsBroken(bench: Bench, guest: Guest): Promise<void> {
  await guest.put('/run/good.artifact.json', await issueGreet(bench, 'good', ['good-day', '0'], 'any'))
  const run = ['run', '--artifact', '/run/good.artifact.json', '--', `${PROGRAMS}/greet`, 'good-day', '0']
  const done = await tryWrit(guest, run, { user: ALICE })
  equal(done.status, 1)
  match(done.stderr.toString(), /LINEAGE_BROKEN/)
  equal(done.stdout.toString(), '')
  await counted(guest, 'writ_decisions_unrecorded_total')
}
