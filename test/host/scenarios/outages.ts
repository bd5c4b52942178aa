import { equal, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { exportLineage, until } from '../governed.ts'
import { ofType, readEntries, unended } from '../lineage.ts'
import type { Bench } from './bench.ts'
import { sinceStart } from './cycles.ts'
import { permitLong } from './long-run.ts'
import { crashLoop } from './outages/crash-loop.ts'
import { diskFull } from './outages/disk-full.ts'
import { tpmBusy } from './outages/tpm-busy.ts'
import { verified } from './verified.ts'

/** In their order. */
const OUTAGES = [diskFull, tpmBusy]

/** Puts an end to whatever an outage that failed half-way has left. */
const MEND = `
systemctl stop hold.service flood.service crash.service
rm -f /var/tmp/ballast*
systemctl reset-failed
systemctl start writd.socket writd.service
`

/**
 * What breaks without anybody's tampering: the disk is full, somebody else has the TPM, the daemon dies at each start. Each time
 * what ran ends within its lease, nothing new runs, lineage, status and journal say why, and when it is over the host goes on by itself or,
 * where a service manager gave up, when it is told to.
 */
export async function outages(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await permitLong(bench, guest)
  let failed = 0
  // Its step has told of it; the others stand by themselves.
  const each = (outage: (typeof OUTAGES)[number]) =>
    outage(bench, guest).catch(async () => {
      failed++
      await guest.run(MEND, { timeoutMs: 300_000 })
      await until(guest, 'ATTESTED')
    })
  for (const outage of OUTAGES) await each(outage)
  const before = join(dir, 'before')
  await steps.step('the lineage so far is exported and verified outside', async () => {
    await exportLineage(guest, before)
    await verified(bench, before)
  })
  await steps.step(
    'each lapse has its transition, its executions their ends, and no appraisal failed',
    async () => {
      const events = sinceStart(readEntries(before))
      const lapses = ofType(events, 'trust-transition').filter(({ to }) => to === 'STALE')
      ok(lapses.length >= 2, `${lapses.length} lapses`)
      equal(ofType(events, 'trust-transition').filter(({ to }) => to === 'FAILED').length, 0)
      equal(ofType(events, 'appraisal').filter(({ verdict }) => verdict !== 'pass').length, 0)
      equal(unended(events).join(), '')
    },
  )
  await each(crashLoop)
  if (failed > 0) return
  const after = join(dir, 'after')
  await steps.step('the lineage is exported and verified outside once more', async () => {
    await exportLineage(guest, after)
    await verified(bench, after)
  })
  await steps.step('it tells of each start after a crash', async () => {
    const since = readEntries(after).slice(readEntries(before).length)
    const unclean = ofType(since, 'daemon-start').filter(({ clean }) => !clean)
    ok(unclean.length > 0, `${unclean.length} starts after a crash`)
    equal(unended(since).join(), '')
  })
  await steps.powerOff(guest)
}
