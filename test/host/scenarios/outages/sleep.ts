import { match, ok } from 'node:assert/strict'
import { until } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import type { Bench } from '../bench.ts'
import { nothingGoverned, saidLong, startLong } from '../long-run.ts'
import { ENDED_BY_LAPSE, journalOf } from './denied.ts'

/** Longer than evidence counts. */
const SECONDS = 75

/** Sleeps to idle, which asks nothing of the firmware. The lease is counted on the clock that goes on meanwhile. */
export async function sleeps({ steps }: Bench, guest: Guest): Promise<void> {
  const states = (await guest.run('cat /sys/power/state')).stdout.toString().trim()
  if (
    !states.split(' ').includes('freeze') ||
    (await guest.run('test -e /sys/class/rtc/rtc0/wakealarm')).status !== 0
  ) {
    console.log(`       not run: the guest cannot sleep and wake by itself (states: ${states})`)
    return
  }
  await steps.step(`a run is under way when the host sleeps for ${SECONDS} s`, async () => {
    await startLong(guest)
    const before = await clocks(guest)
    await guest.ok(`echo +${SECONDS} >/sys/class/rtc/rtc0/wakealarm && echo freeze >/sys/power/state`, {
      timeoutMs: (SECONDS + 120) * 1000,
    })
    const after = await clocks(guest)
    const slept = after.boot - after.monotonic - (before.boot - before.monotonic)
    console.log(`           slept for ${slept.toFixed(1)} s`)
    ok(slept > SECONDS / 2, `${slept} s`)
  })
  await steps.step('it does not live on past its lease', () => nothingGoverned(guest, 20_000))
  await steps.step('journal and caller are told, and the host is ATTESTED again', async () => {
    match(await journalOf(guest, 'writd.service'), /ATTESTED, to STALE/)
    match(await saidLong(guest), ENDED_BY_LAPSE)
    await until(guest, 'ATTESTED')
  })
}

async function clocks(guest: Guest): Promise<{ boot: number; monotonic: number }> {
  const said = await guest.ok(
    "python3 -c 'import time; print(time.clock_gettime(time.CLOCK_BOOTTIME), time.clock_gettime(time.CLOCK_MONOTONIC))'",
  )
  const [boot = Number.NaN, monotonic = Number.NaN] = said.split(' ').map(Number)
  return { boot, monotonic }
}
