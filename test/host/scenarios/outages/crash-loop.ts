import { equal, match } from 'node:assert/strict'
import { eventually } from '../../eventually.ts'
import { ALICE, PROGRAMS, tryWrit, until } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import { watchedAs } from '../../metrics.ts'
import type { Bench } from '../bench.ts'
import { governed, LEASE_MS, nothingGoverned, startLong } from '../long-run.ts'

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
  await steps.step(
    'callers are told that nobody serves, nothing runs, and a scraper gets no page',
    async () => {
      const run = [
        'run',
        '--artifact',
        '/run/long.artifact.json',
        '--',
        `${PROGRAMS}/greet`,
        'long',
        '0',
        '3600',
      ]
      for (const asked of [['status'], run]) {
        const done = await tryWrit(guest, asked, asked === run ? { user: ALICE } : {})
        equal(done.status, 1, `${asked[0]}: ${done.stdout}`)
        match(done.stderr.toString(), /writd\.sock/)
        equal(done.stdout.toString(), '')
      }
      // What was scraped last says ATTESTED: it has to be gone, not to stay.
      equal((await tryWrit(guest, ['metrics'])).status, 1)
      equal(await governed(guest), 0)
    },
  )
  await steps.step('started by an operator, it is ATTESTED', async () => {
    await guest.ok(
      // docs/operations/disasters.md
      'systemctl reset-failed writd.service writd.socket writd-metrics.socket; systemctl start writd',
      { timeoutMs: 300_000 },
    )
    await until(guest, 'ATTESTED')
    await watchedAs(guest, 'ATTESTED')
  })
}
