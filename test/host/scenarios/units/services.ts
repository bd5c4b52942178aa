import { equal, match, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../../eventually.ts'
import { ALICE } from '../../governed.ts'
import type { Guest } from '../../guest.ts'
import type { Bench } from '../bench.ts'
import { CGROUP, UNIT } from '../executor/launcher.ts'
import { artifactPath, permit, runOf, theLeaf } from './task.ts'

const PAGE = join(import.meta.dirname, '../../../../docs/units.md')

/** Units with `ExecStart=writ run …`, of an ordinary user, start, reload and stop as their programs would by themselves. */
export async function services(bench: Bench, guest: Guest): Promise<void> {
  const { steps } = bench
  await permit(bench, guest, 'stay', ['stay'], '--unit', 'stay.service')
  await writeUnit(guest, 'stay', ['stay'])
  await steps.step('a unit with ExecStart=writ run starts; its output is in the journal', async () => {
    await systemctl(guest, 'start stay.service')
    await said(guest, 'stay', /^ready$/m)
    equal(await guest.ok('systemctl is-active stay.service'), 'active')
  })
  await steps.step('its cgroup has the command alone, the workload is below the launcher', async () => {
    const leaf = await theLeaf(guest)
    ok(leaf.startsWith(`${CGROUP}/executions/`), leaf)
    const main = (unit: string) => guest.ok(`systemctl show --value -p MainPID ${unit}`)
    equal(
      await guest.ok('cat /sys/fs/cgroup/system.slice/stay.service/cgroup.procs'),
      await main('stay.service'),
    )
    equal(await guest.ok(`cat /proc/${await main(UNIT)}/cgroup`), `0::/system.slice/${UNIT}/launchd`)
  })
  await steps.step('systemctl kill -s HUP reaches the program', async () => {
    await systemctl(guest, 'kill -s HUP stay.service')
    await said(guest, 'stay', /^SIGHUP came$/m)
  })
  await steps.step('so does ExecReload=', async () => {
    await systemctl(guest, 'reload stay.service')
    await said(guest, 'stay', /^SIGHUP came$[\s\S]*^SIGHUP came$/m)
  })
  await steps.step('systemctl stop ends it by SIGTERM, in order, and its cgroup is gone', async () => {
    const leaf = await theLeaf(guest)
    await systemctl(guest, 'stop stay.service')
    equal((await guest.run(`ls -d ${leaf}`)).status, 2)
    match(await journal(guest, 'stay'), /^SIGTERM came\n.*: Deactivated successfully\.$/m)
  })
  await steps.step(
    'a program that exits with 7 fails its unit with 7; Restart=on-failure starts it again',
    async () => {
      await permit(bench, guest, 'seven', ['exit', '7'])
      await writeUnit(guest, 'seven', ['exit', '7'])
      await systemctl(guest, 'start seven.service')
      await said(guest, 'seven', /(status=7\/[\s\S]*restart counter is at \d[\s\S]*){2}/)
      await systemctl(guest, 'stop seven.service')
    },
  )
  await steps.step('a revocation ends the unit, and the journal says so', () => revoked(bench, guest))
}

async function revoked({ operator }: Bench, guest: Guest): Promise<void> {
  await systemctl(guest, 'start stay.service')
  await theLeaf(guest)
  await operator.writ(
    ...['revoke', '--artifact', operator.path('stay.artifact.json'), '--key', operator.key],
    ...['--epoch', '1', '--out', operator.path('revocation.json')],
  )
  await guest.put('/run/revocation.json', operator.read('revocation.json'))
  await guest.ok('writ revoke --send /run/revocation.json', { timeoutMs: 300_000 })
  await said(guest, 'stay', /^writ: ended by REVOKED.*; all its processes are dead/m)
  await systemctl(guest, 'stop stay.service')
}

/** The unit of docs/units.md, for the task. */
async function writeUnit(guest: Guest, name: string, args: readonly string[]): Promise<void> {
  const example = /```ini\n([\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? ''
  const unit = example
    .replace(/^User=.*$/m, `User=${ALICE}`)
    .replace(/^ExecStart=\/usr\/bin\/writ .*$/m, `ExecStart=/usr/bin/writ ${runOf(name, args).join(' ')}`)
  for (const part of [artifactPath(name), `User=${ALICE}`]) ok(unit.includes(part), unit)
  await guest.put(`/run/systemd/system/${name}.service`, unit)
  await systemctl(guest, 'daemon-reload')
}

function systemctl(guest: Guest, command: string): Promise<string> {
  return guest.ok(`systemctl ${command}`, { timeoutMs: 300_000 })
}

function journal(guest: Guest, name: string): Promise<string> {
  return guest.ok(`journalctl --no-pager -o cat -u ${name}.service`)
}

/** Waits until the journal of a unit has it. */
function said(guest: Guest, name: string, what: RegExp): Promise<void> {
  return eventually(
    async () => what.test(await journal(guest, name)),
    240_000,
    () => journal(guest, name),
  )
}
