import { ok } from 'node:assert/strict'
import { statSync } from 'node:fs'
import { until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import type { Bench } from './bench.ts'
import { mainPid } from './long-run.ts'

const MEGABYTE = 1_000_000
const MOST_PACKAGE = 60 * MEGABYTE
const MOST_RESIDENT = 130 * MEGABYTE
/** attestation.cycle_seconds as shipped; the other scenarios have a shorter one. */
const CYCLE_SECONDS = 10
/** What is idle is idle for so long. */
const IDLE_SECONDS = 60
/** USER_HZ of every Linux. */
const TICKS_PER_SECOND = 100
/** `systemd-analyze security`, of a daemon that needs nothing and of one that starts workloads. */
const MOST_EXPOSED = { 'writd.service': 1.0, 'writ-launchd.service': 9.0 } as const

/** What the service takes of a host. Times are printed and not asserted: under emulation they are another machine's. */
export async function numbers({ steps, machine, deb }: Bench): Promise<void> {
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await steps.step('its cycle is as shipped', async () => {
    await guest.ok(`sed -i 's/^cycle_seconds = .*/cycle_seconds = ${CYCLE_SECONDS}/' /etc/writ/writd.toml`)
    await guest.ok('systemctl restart writd.service', { timeoutMs: 300_000 })
    await until(guest, 'ATTESTED')
  })
  await steps.step(`the package has at most ${MOST_PACKAGE / MEGABYTE} MB`, async () => {
    const { size } = statSync(deb)
    console.log(`           measured: package ${(size / MEGABYTE).toFixed(1)} MB`)
    ok(size <= MOST_PACKAGE, `${size} bytes`)
  })
  await steps.step(`an idle writd has at most ${MOST_RESIDENT / MEGABYTE} MB resident`, async () => {
    const before = await used(guest)
    await guest.ok(`sleep ${IDLE_SECONDS}`)
    const after = await used(guest)
    const percent = (100 * (after.ticks - before.ticks)) / TICKS_PER_SECOND / IDLE_SECONDS
    console.log(
      `           measured: writd ${(after.resident / MEGABYTE).toFixed(1)} MB resident, ${percent.toFixed(1)} % of an emulated processor at a cycle of ${CYCLE_SECONDS} s`,
    )
    ok(after.resident <= MOST_RESIDENT, `${after.resident} bytes`)
  })
  for (const [unit, most] of Object.entries(MOST_EXPOSED))
    await steps.step(`systemd-analyze security says at most ${most.toFixed(1)} of ${unit}`, async () => {
      const line = await guest.ok(`systemd-analyze security ${unit} --no-pager | tail -n 1`)
      const exposure = Number(/Overall exposure level for \S+: ([0-9.]+)/.exec(line)?.[1])
      console.log(`           measured: ${unit} ${exposure}`)
      ok(exposure <= most, line)
    })
  await steps.step('from start to ATTESTED', async () => {
    await guest.ok('systemctl restart writd.service', { timeoutMs: 300_000 })
    await until(guest, 'ATTESTED')
    const times = await guest.ok('journalctl -b --no-pager -o short-monotonic -u writd.service')
    const last = (what: RegExp) => Number([...times.matchAll(what)].at(-1)?.[1])
    const started = last(/^\[ *([0-9.]+)\] .*Starting writd\.service/gm)
    const serves = last(/^\[ *([0-9.]+)\] .*serving /gm)
    const attested = last(/^\[ *([0-9.]+)\] .*trust transition .*to ATTESTED/gm)
    ok(started < serves && serves <= attested, times)
    console.log(
      `           measured: serves after ${(serves - started).toFixed(1)} s, ATTESTED after ${(attested - started).toFixed(1)} s`,
    )
  })
  await steps.powerOff(guest)
}

/** What the daemon has of memory, and how much processor time it has had. */
async function used(guest: Guest): Promise<{ resident: number; ticks: number }> {
  const pid = await mainPid(guest, 'writd.service')
  const stat = (await guest.ok(`cat /proc/${pid}/stat`)).replace(/^.*\) /, '').split(' ')
  const resident = Number(/^VmRSS:\s+(\d+) kB$/m.exec(await guest.ok(`cat /proc/${pid}/status`))?.[1]) * 1024
  return { resident, ticks: Number(stat[11]) + Number(stat[12]) }
}
