import { equal, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { eventually } from '../eventually.ts'
import { exportLineage, until } from '../governed.ts'
import { ofType, readEntries, unended } from '../lineage.ts'
import type { Bench } from './bench.ts'
import { killMain, LEASE_MS, mainPid, nothingGoverned, permitLong, startLong } from './long-run.ts'
import { verified } from './verified.ts'

/** Either daemon is killed in the middle of a governed run. */
export async function kills(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await permitLong(bench, guest)

  await steps.step('a run is under way when writd is killed', async () => {
    await startLong(guest)
    await killMain(guest, 'writd.service')
  })
  await steps.step('it ends within the lease', () => nothingGoverned(guest, LEASE_MS))
  await steps.step('writd is back, and ATTESTED again', () => until(guest, 'ATTESTED'))

  const before = await mainPid(guest, 'writd.service')
  await steps.step('a run is under way when writ-launchd is killed', async () => {
    await startLong(guest)
    await killMain(guest, 'writ-launchd.service')
  })
  await steps.step('it ends at once', () => nothingGoverned(guest, 30_000))
  await steps.step('both are back, and ATTESTED again', async () => {
    await eventually(
      async () => (await mainPid(guest, 'writd.service')) !== before,
      120_000,
      () => guest.ok('ps -e'),
    )
    await until(guest, 'ATTESTED')
  })

  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported and verified outside', async () => {
    await exportLineage(guest, bundle)
    await verified(bench, bundle)
  })
  await steps.step('it tells of the unclean stop, its recovery, and the end of each run', async () => {
    const events = readEntries(bundle)
    ok(ofType(events, 'daemon-start').some(({ clean }) => !clean))
    ok(ofType(events, 'recovery').length > 0)
    equal(unended(events).join(), '')
  })
  await steps.powerOff(guest)
}
