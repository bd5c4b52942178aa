import { equal, match, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { exportLineage, until } from '../governed.ts'
import { ofType, readEntries } from '../lineage.ts'
import { counted, watchedAs } from '../metrics.ts'
import type { Bench } from './bench.ts'
import { sinceStart } from './cycles.ts'
import { LEASE_MS, mainPid, nothingGoverned, permitLong, saidLong, startLong } from './long-run.ts'
import { ENDED_BY_LAPSE, journalOf } from './outages/denied.ts'
import { verified } from './verified.ts'

/** What an expired lease leaves to what it ends, once the processor is there again: emulated, and with devices that come back first. */
const AT_WAKE_MS = 20_000

/**
 * A host that sleeps proves nothing meanwhile. What ran when it went to sleep is ended by its supervisor at the wake, because leases count the
 * time of the sleep; the TPM comes back with its registers as they were, and says that it was away.
 */
export async function suspend(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await permitLong(bench, guest)
  const writd = await mainPid(guest, 'writd.service')
  await steps.step(
    'it is suspended to memory while a run is under way, for longer than a lease',
    async () => {
      await startLong(guest)
      await guest.suspend(LEASE_MS)
      const slept = await guest.ok(
        'python3 -c "import time; print(int(time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()))"',
      )
      ok(Number(slept) >= LEASE_MS / 1000 - 5, `asleep for ${slept} s by the kernel's clocks`)
    },
  )
  await steps.step('what ran is ended at the wake', async () => {
    await nothingGoverned(guest, AT_WAKE_MS)
    match(await saidLong(guest), ENDED_BY_LAPSE)
  })
  await steps.step('the host is ATTESTED again by itself, and by the same daemon', async () => {
    await until(guest, 'ATTESTED')
    equal(await mainPid(guest, 'writd.service'), writd)
    match(await journalOf(guest, 'writd.service'), /ATTESTED, to STALE/)
    await watchedAs(guest, 'ATTESTED')
    await counted(guest, 'writ_gate_transitions_total{to="STALE"}')
  })
  await steps.step('what was permitted may run again', () => startLong(guest))
  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported and verified outside', async () => {
    await exportLineage(guest, bundle)
    await verified(bench, bundle)
  })
  await steps.step('it tells of the lapse, of the end, and that the TPM was away', async () => {
    const events = sinceStart(readEntries(bundle))
    const appraisals = ofType(events, 'appraisal')
    equal(appraisals.filter(({ verdict }) => verdict === 'fail').length, 0)
    ok(appraisals.some(({ reasons }) => reasons.some(({ code }) => code === 'HOST_RESTARTED')))
    ok(ofType(events, 'trust-transition').some(({ from, to }) => from === 'ATTESTED' && to === 'STALE'))
    equal(ofType(events, 'execution-end').length, 1)
  })
  await steps.powerOff(guest)
}
