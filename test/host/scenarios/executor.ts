import { until } from '../governed.ts'
import type { Bench } from './bench.ts'
import { takeOver } from './executor/launcher.ts'
import { limits } from './executor/limits.ts'
import { needed } from './executor/needed.ts'
import { speed } from './executor/speed.ts'

/** What only a whole host shows of the launcher: the controllers of cgroup v2, its unit. */
export async function executor(bench: Bench): Promise<void> {
  const { steps, machine } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await steps.step('writd is stopped, and the launcher takes orders from its uid', () =>
    takeOver(bench, guest),
  )
  await limits(bench, guest)
  await needed(bench, guest)
  await speed(bench, guest)
  await steps.powerOff(guest)
}
