import { deepEqual, equal, match, notEqual } from 'node:assert/strict'
import { join } from 'node:path'
import { labelOf, PROFILE, refusals } from '../apparmor.ts'
import { ALICE, attestedAnew, exportLineage, PROGRAMS, tryWrit, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import type { Finished } from '../processes.ts'
import type { Bench } from './bench.ts'
import { issueGreet } from './govern.ts'
import { governedPids, longLease, mainPid, permitLong, startLong } from './long-run.ts'
import { verified } from './verified.ts'

const ENFORCED = `${PROFILE} (enforce)`
/** A document that everybody may read, where the profile has no rule. */
const ELSEWHERE = `${PROGRAMS}/reference.json`
const STOLEN = '/root/stolen'
const PORT = '127.0.0.1:9464'

/** What an operator does who wants metrics on TCP (docs/operations/monitoring.md), without the rule that the profile then needs. */
const METRICS_ON_TCP = `
mkdir -p /etc/systemd/system/writd-metrics.socket.d
printf '[Socket]\\nListenStream=\\nListenStream=${PORT}\\n' >/etc/systemd/system/writd-metrics.socket.d/tcp.conf
systemctl daemon-reload
systemctl restart writd.service
`

/** AppArmor confines the daemon: it does all that it has to under its profile, and what the profile does not say is refused. */
export async function confined(bench: Bench): Promise<void> {
  const { steps, machine, dir } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await steps.step('the kernel enforces the profile, and writd runs under it', async () => {
    match(await guest.ok('cat /sys/kernel/security/lsm'), /\bapparmor\b/)
    match(await guest.ok('cat /sys/kernel/security/apparmor/profiles'), /^writd \(enforce\)$/m)
    equal(await labelOf(guest, await mainPid(guest, 'writd.service')), ENFORCED)
  })
  await longLease(guest)
  await permitLong(bench, guest)
  const running = await steps.step('neither the launcher nor what is governed is under it', async () => {
    await startLong(guest)
    const pids = await governedPids(guest)
    for (const pid of [await mainPid(guest, 'writ-launchd.service'), ...pids])
      equal(await labelOf(guest, pid), 'unconfined')
    return pids
  })
  await steps.step('restarted, writd is under it again, and what ran goes on', async () => {
    const before = await mainPid(guest, 'writd.service')
    await guest.ok('systemctl restart writd.service', { timeoutMs: 300_000 })
    await until(guest, 'ATTESTED')
    notEqual(await mainPid(guest, 'writd.service'), before)
    equal(await labelOf(guest, await mainPid(guest, 'writd.service')), ENFORCED)
    deepEqual(await governedPids(guest), running)
  })
  const bundle = join(dir, 'bundle')
  await steps.step('a run, a reload and an export later it was refused nothing', async () => {
    await guest.put('/run/more.artifact.json', await issueGreet(bench, 'more', ['more', '3'], 'any'))
    const run = ['run', '--artifact', '/run/more.artifact.json', '--', `${PROGRAMS}/greet`, 'more', '3']
    equal((await tryWrit(guest, run, { user: ALICE })).status, 3)
    await guest.ok('systemctl reload writd.service', { timeoutMs: 300_000 })
    await attestedAnew(guest)
    await exportLineage(guest, bundle)
    deepEqual(await refusals(guest), [])
  })
  await steps.step('the lineage is verified outside, and tells of the one adoption', async () => {
    await verified(bench, bundle)
    equal(ofType(readEntries(bundle), 'adoption').length, 1)
  })
  await steps.step('under it not even root reads, writes and executes what it does not name', () =>
    beyond(guest),
  )
  await steps.step(
    'metrics on TCP without a rule for it: none are served, and nothing else is touched',
    async () => {
      await guest.ok(METRICS_ON_TCP, { timeoutMs: 300_000 })
      await until(guest, 'ATTESTED')
      match((await refusals(guest)).join('\n'), /family="inet"/)
      match(await guest.ok('journalctl -b --no-pager -o cat -u writd.service'), /no metrics are served/)
      equal((await tryWrit(guest, ['metrics', '--from', PORT])).status, 1)
      deepEqual(await governedPids(guest), running)
    },
  )
  await steps.powerOff(guest)
}

/** The daemon's executable, as root with all of root's rights, under the daemon's profile: what is refused is refused by the profile alone. */
async function beyond(guest: Guest): Promise<void> {
  const under = (...args: string[]): Promise<Finished> =>
    guest.run(`cd / && aa-exec -p ${PROFILE} -- ${args.join(' ')}`, { timeoutMs: 300_000 })
  const show = (path: string) =>
    under('writ', 'reference', 'show', path, '--operator-key', '/etc/writ/operator.pub')
  await guest.ok(`install -m 644 /etc/writ/reference.json ${ELSEWHERE}`)
  const allowed = await show('/etc/writ/reference.json')
  equal(allowed.status, 0, `${allowed.stdout}${allowed.stderr}`)
  const denied: [Finished, RegExp][] = [
    [await show(ELSEWHERE), /permission denied/],
    // By a rule that says so, and leaves no line.
    [await show('/etc/writ/credentials/secrets.json'), /permission denied/],
    [await under('writ', 'key', 'new', STOLEN), /permission denied|EACCES/],
    // The first is executed by aa-exec, which is not under the profile; what that one executes is.
    [await under('/usr/bin/env', '/usr/bin/id'), /permission denied/i],
  ]
  for (const [{ status, stdout, stderr }, words] of denied) {
    notEqual(status, 0, `${stdout}${stderr}`)
    match(stderr.toString(), words)
    equal(stdout.toString(), '')
  }
  equal(await guest.ok(`ls ${STOLEN}* 2>/dev/null || true`), '')
  const said = (await refusals(guest)).join('\n')
  for (const name of [ELSEWHERE, STOLEN, '/usr/bin/id'])
    match(said, new RegExp(` name="${name}[^"]*" .*denied_mask="[a-z]+"`))
}
