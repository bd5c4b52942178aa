import { equal, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LineageEvent } from '../../../lineage/index.ts'
import { exportLineage, status, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import type { Bench } from './bench.ts'
import { verified } from './verified.ts'

const CYCLES = 200
/** Twice as long as they take where the machine keeps up. */
const WITHIN_MS = 2 * CYCLES * 2_000 + 600_000

/** A host that does what it may, for many cycles: IMA's log is never still, and nothing fails. */
export async function cycles(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  const start = await steps.step('and is ATTESTED, by itself', () => until(guest, 'ATTESTED'))
  const before = await imaEntries(guest)
  // Each is a program that was listed and has not been executed yet.
  await guest.ok(
    'systemd-run -q --unit=ticks sh -c "for t in /usr/local/lib/ticks/*; do \\$t; sleep 1; done"',
  )
  await steps.step(`${CYCLES} cycles go by while IMA’s log grows`, async () => {
    const deadline = Date.now() + WITHIN_MS
    for (;;) {
      const now = await status(guest)
      equal(now.state, 'ATTESTED')
      if (Number(now.appraisals) >= Number(start.appraisals) + CYCLES) return
      ok(Date.now() < deadline, `${now.appraisals} appraisals`)
      await sleep(20_000)
    }
  })
  await steps.step('it did grow', async () => {
    const grown = (await imaEntries(guest)) - before
    ok(grown > CYCLES / 2, `${grown} entries`)
  })
  const bundle = join(dir, 'bundle')
  await steps.step('the lineage is exported and verified outside', async () => {
    await exportLineage(guest, bundle)
    await verified(bench, bundle)
  })
  await steps.step('it has every one of them, all passed, and no transition but the first', async () => {
    const events = sinceStart(readEntries(bundle))
    const appraisals = ofType(events, 'appraisal')
    ok(appraisals.length >= CYCLES, `${appraisals.length} appraisals`)
    equal(appraisals.filter(({ verdict }) => verdict !== 'pass').length, 0)
    const lengths = new Set(appraisals.map(({ evidence }) => evidence.imaLength))
    ok(lengths.size > CYCLES / 4, `${lengths.size} lengths of IMA's log`)
    const transitions = ofType(events, 'trust-transition').map(({ from, to }) => `${from} ${to}`)
    equal(transitions.join(), 'UNATTESTED ATTESTED')
  })
  await steps.powerOff(guest)
}

/** What the newest run of the daemon has written. */
export function sinceStart(events: readonly LineageEvent[]): LineageEvent[] {
  return events.slice(events.findLastIndex(({ type }) => type === 'daemon-start'))
}

async function imaEntries(guest: Guest): Promise<number> {
  return Number(await guest.ok('cat /sys/kernel/security/ima/runtime_measurements_count'))
}
