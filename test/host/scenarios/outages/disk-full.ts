import { equal, match } from 'node:assert/strict'
import { status, until } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import { counted, watchedAs } from '../../metrics.ts'
import type { Bench } from '../bench.ts'
import { LEASE_MS, mainPid, nothingGoverned, saidLong, startLong } from '../long-run.ts'
import { denied, ENDED_BY_LAPSE, journalOf } from './denied.ts'

const BALLAST = '/var/tmp/ballast'

/** The root file system has no block left for anybody but root. */
export async function diskFull({ steps }: Bench, guest: Guest): Promise<void> {
  const pid = await mainPid(guest, 'writd.service')
  await steps.step('a run is under way when the disk is full', async () => {
    await startLong(guest)
    await guest.ok(`fallocate -l $(($(df --output=avail -B1 / | tail -n 1))) ${BALLAST}; sync; sleep 2`)
    await guest.ok(
      `rest=$(df --output=avail -B1 / | tail -n 1); [ "$rest" -eq 0 ] || fallocate -l "$rest" ${BALLAST}.rest`,
    )
    equal(await guest.ok('df --output=avail -B1 / | tail -n 1 | tr -d " "'), '0')
  })
  await steps.step('nothing new runs', () => denied(guest, /LINEAGE_UNAVAILABLE|ATTESTATION_STALE/))
  await steps.step('evidence cannot be kept, so what runs ends within the lease', () =>
    nothingGoverned(guest, LEASE_MS),
  )
  await steps.step('status, metrics, journal and caller say why', async () => {
    const now = await status(guest)
    console.log(`           ${now.state} ${JSON.stringify(now.reasons)}`)
    equal(now.state, 'STALE')
    await watchedAs(guest, 'STALE', /EVIDENCE_TOO_OLD/)
    await counted(guest, 'writ_lineage_io_errors_total')
    match(await journalOf(guest, 'writd.service'), /ENOSPC|no space|LINEAGE_UNAVAILABLE/i)
    match(await saidLong(guest), ENDED_BY_LAPSE)
  })
  await steps.step('room is made: ATTESTED, by itself, and by the same daemon', async () => {
    await guest.ok(`rm -f ${BALLAST} ${BALLAST}.rest`)
    await until(guest, 'ATTESTED')
    equal(await mainPid(guest, 'writd.service'), pid)
  })
}
