import { equal, match, notEqual } from 'node:assert/strict'
import { eventually } from '../../eventually.ts'
import { tryWrit, until } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import type { Bench } from '../bench.ts'
import { LEASE_MS, nothingGoverned, startLong } from '../long-run.ts'

/** Kills the daemon whenever it is there, until the service manager gives up. */
const LOOP = `
while [ "$(systemctl show --value -p ActiveState writd.service)" != failed ]; do
  systemctl kill -s KILL writd.service || true
  sleep 1
done
`

/** The daemon does not stay up. The service manager starts it as often as its unit says, and gives up; nothing runs meanwhile. */
export async function crashLoop({ steps }: Bench, guest: Guest): Promise<void> {
  await steps.step('a run is under way when the daemon begins to die at each start', async () => {
    await startLong(guest)
    await guest.put('/run/crash.sh', LOOP)
    await guest.ok('systemd-run -q --unit=crash sh /run/crash.sh')
  })
  await steps.step('the run ends within the lease', () => nothingGoverned(guest, LEASE_MS))
  await steps.step('the unit is failed at last, and the journal says why', async () => {
    await eventually(
      async () => (await guest.ok('systemctl show --value -p ActiveState writd.service')) === 'failed',
      600_000,
      () => guest.ok('systemctl status writd.service --no-pager || true'),
    )
    match(await guest.ok('systemctl --failed --plain --no-legend'), /writd\.service/)
    match(
      await guest.ok('journalctl -b --no-pager -o cat -u writd.service'),
      /Start request repeated too quickly/,
    )
  })
  await steps.step('a caller is told that nobody serves', async () => {
    const done = await tryWrit(guest, ['status'])
    notEqual(done.status, 0)
    match(done.stderr.toString(), /writd\.sock/)
    equal(done.stdout.toString(), '')
  })
  await steps.step('started by an operator, it is ATTESTED', async () => {
    await guest.ok(
      'systemctl reset-failed writd.service writd.socket; systemctl start writd.socket writd.service',
      { timeoutMs: 300_000 },
    )
    await until(guest, 'ATTESTED')
  })
}
