import { equal, match, ok } from 'node:assert/strict'
import type { Guest } from '../../guest.ts'
import type { Bench } from '../bench.ts'
import { CGROUP, leafCount, runTask, UNIT } from './launcher.ts'

const MEMORY_BYTES = 48 * 2 ** 20
const PROCESSES = 20
const PERCENT = 20
const SECONDS = 12
/** CAUSE_EXITED and CAUSE_OUT_OF_MEMORY of native/shared/wire.h. */
const EXITED = 1
const OUT_OF_MEMORY = 16

/** Limits that the kernel holds by cgroup, in a hierarchy that has the controllers. */
export async function limits({ steps }: Bench, guest: Guest): Promise<void> {
  await steps.step('the launcher has found the controllers, Landlock and the device filter', async () => {
    const ready = await guest.ok(`journalctl -b -o cat --no-pager -u ${UNIT} -g '^ready; '`)
    console.log(`           ${ready.split('\n').at(-1)} (Linux ${await guest.ok('uname -r')})`)
    match(ready, /Landlock ABI [5-9], controllers memory pids cpu, a device filter/)
  })
  await steps.step('it is in a cgroup beside that of all executions, above none of them', async () => {
    const cgroup = await guest.ok(`cat /proc/$(systemctl show --value -p MainPID ${UNIT})/cgroup`)
    equal(cgroup, `0::/system.slice/${UNIT}/launchd`)
    equal(await guest.ok(`cat ${CGROUP}/cgroup.procs ${CGROUP}/executions/cgroup.procs`), '')
  })
  await steps.step(
    'memory: past its limit the whole tree is ended at once, and that is the cause',
    async () => {
      const said = await runTask(guest, [`memory=${MEMORY_BYTES}`], 'eat')
      equal(said, `ready\ncause ${OUT_OF_MEMORY}, exit -1, signal 9\n`)
      equal(await leafCount(guest), 0)
      // The kernel's own words: the group as one, not one process after the other.
      match(
        await guest.ok('journalctl -b -k -o cat --no-pager -g oom.group'),
        /Tasks in \/system\.slice\/writ-launchd\.service\/executions\/[0-9a-f]{32} are going to be killed due to memory\.oom\.group set/,
      )
    },
  )
  await steps.step(`processes: a fork bomb gets ${PROCESSES} and no more, and all of them end`, async () => {
    const said = await runTask(guest, [`pids=${PROCESSES}`], 'breed')
    equal(said, `${PROCESSES} processes, then EAGAIN\ncause ${EXITED}, exit 0, signal 0\n`)
    equal(await leafCount(guest), 0)
  })
  await steps.step(`processor: two processes that compute get ${PERCENT} percent of one`, async () => {
    const said = await runTask(guest, [`cpu=${PERCENT}`], 'spin', `${SECONDS}`)
    const percent = Number(/^(\d+) ms$/m.exec(said)?.[1]) / (10 * SECONDS)
    console.log(`           ${percent.toFixed(1)} % of a processor in ${SECONDS} s`)
    ok(percent > PERCENT / 4 && percent < PERCENT * 1.25, said)
  })
}
