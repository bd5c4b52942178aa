import { join } from 'node:path'
import { until } from '../governed.ts'
import type { Bench } from './bench.ts'
import { place } from './executor/launcher.ts'
import { services } from './units/services.ts'

/** A governed program behaves as itself where systemd starts it. */
export async function units(bench: Bench): Promise<void> {
  const { steps, machine } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await place(bench, guest, join(import.meta.dirname, '../programs/task.c'), 'task')
  await services(bench, guest)
  await steps.powerOff(guest)
}
