import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { attestedAnew, exportLineage, until } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ofType, readEntries } from '../lineage.ts'
import { newerPackage } from '../newer-package.ts'
import type { Bench } from './bench.ts'
import { sinceStart } from './cycles.ts'
import { dpkg } from './install.ts'
import { governedPids, nothingGoverned, permitLong, startLong } from './long-run.ts'
import { acceptScripts } from './upgrade-values.ts'
import { verified } from './verified.ts'

const UNITS = ['writd.service', 'writd.socket', 'writd-metrics.socket', 'writ-launchd.service'] as const

/** The package manager and the service manager do with a governed host what they do with any: it stays governed, and its evidence stays. */
export async function packageLife(bench: Bench): Promise<void> {
  const { steps, machine, dir, deb } = bench
  const guest = await steps.boot('the host boots again', () => machine.boot())
  await steps.step('and is ATTESTED', () => until(guest, 'ATTESTED'))
  await steps.step('systemctl reload takes up the configuration, without a restart', async () => {
    const before = await mainPids(guest)
    await guest.ok('systemctl reload writd.service', { timeoutMs: 300_000 })
    equal(await mainPids(guest), before)
  })
  await steps.step('writd is stopped, and a connection starts it again', async () => {
    await guest.ok('systemctl stop writd.service', { timeoutMs: 300_000 })
    equal(await active(guest, 'writd.service'), 'inactive')
    equal(await active(guest, 'writd.socket'), 'active')
    await until(guest, 'ATTESTED')
    equal(await active(guest, 'writd.service'), 'active')
  })
  await steps.step('the launcher is restarted, and the daemon with it', async () => {
    const before = await mainPids(guest)
    await guest.ok('systemctl restart writ-launchd.service', { timeoutMs: 600_000 })
    await until(guest, 'ATTESTED')
    for (const [index, pid] of (await mainPids(guest)).split(' ').entries())
      notEqual(pid, before.split(' ')[index])
  })
  await guest.put('/root/writ.deb', readFileSync(deb))
  await steps.step('reference values for its scripts are loaded', () => acceptScripts(bench, guest, deb))
  await steps.step('installed over itself, writd runs anew and the launcher goes on, ATTESTED', async () => {
    const [writd, launcher] = (await mainPids(guest)).split(' ')
    await dpkg(guest, '-i /root/writ.deb')
    await until(guest, 'ATTESTED')
    const [writdNow, launcherNow] = (await mainPids(guest)).split(' ')
    notEqual(writdNow, writd)
    equal(launcherNow, launcher)
  })
  await steps.step('removed, nothing runs, and identity, lineage and configuration stay', async () => {
    await dpkg(guest, '--remove writ')
    for (const unit of UNITS) notEqual(await active(guest, unit), 'active', unit)
    equal((await guest.run('pgrep -f /usr/lib/[w]rit/')).status, 1)
    await guest.ok('ls /var/lib/writ/identity/identity.json /var/lib/writ/lineage /etc/writ/writd.toml')
  })
  await steps.step('installed again, it runs as it was enabled, ATTESTED', async () => {
    await dpkg(guest, '-i /root/writ.deb')
    await until(guest, 'ATTESTED')
  })
  const bundle = join(dir, 'bundle')
  await steps.step('one lineage has all of it, and is verified outside', async () => {
    await exportLineage(guest, bundle)
    await verified(bench, bundle)
    const events = readEntries(bundle)
    ok(ofType(events, 'daemon-start').length >= 6)
    ok(ofType(events, 'appraisal').every(({ verdict }) => verdict === 'pass'))
    equal(sinceStart(events).length > 1, true)
  })
  await otherLauncher(bench, guest)
  await steps.step('purged, the evidence stays, and dpkg says so', async () => {
    match(await dpkg(guest, '--purge writ'), /\/var\/lib\/writ is left behind/)
    await guest.ok('ls /var/lib/writ/identity/identity.json /var/lib/writ/lineage')
    for (const unit of UNITS) notEqual(await active(guest, unit), 'active', unit)
    equal((await guest.run('pgrep -f /usr/lib/[w]rit/')).status, 1)
  })
  await steps.powerOff(guest)
}

/** An upgrade that brings another launcher, while an execution runs and nobody is there to be asked; and the way back. */
async function otherLauncher(bench: Bench, guest: Guest): Promise<void> {
  const { steps, dir, deb } = bench
  const newer = await newerPackage(deb, dir, 'writ-launchd')
  await guest.put('/root/newer.deb', readFileSync(newer))
  await steps.step('reference values for the scripts of another version are loaded', () =>
    acceptScripts(bench, guest, newer),
  )
  await permitLong(bench, guest)
  await steps.step(
    'an upgrade with another launcher ends nothing that runs, and says how to finish',
    async () => {
      await startLong(guest)
      const [before, running] = [await mainPids(guest), await governedPids(guest)]
      match(await dpkg(guest, '-i /root/newer.deb'), /nothing was restarted[\s\S]*ends 1 executions/)
      equal(await mainPids(guest), before)
      deepEqual(await governedPids(guest), running)
      await until(guest, 'ATTESTED')
    },
  )
  await steps.step('a downgrade is refused, and says which', async () => {
    const { status, stdout, stderr } = await guest.run('dpkg -i /root/writ.deb', { timeoutMs: 600_000 })
    notEqual(status, 0)
    match(`${stdout}${stderr}`, /is older than \S+newer2[\s\S]*Not installed/)
    // With what was executed to refuse it, the scripts of a package that never came in.
    await attestedAnew(guest)
  })
  await steps.step(
    'finished as it says, what ran is ended; nobody has listed this launcher: FAILED',
    async () => {
      await guest.ok('systemctl restart writd.service writ-launchd.service', { timeoutMs: 600_000 })
      await nothingGoverned(guest, 30_000)
      const { reasons } = await until(guest, 'FAILED')
      match(JSON.stringify(reasons), /COMPONENT_CHANGED/)
    },
  )
}

/** Process ids of daemon and launcher. */
async function mainPids(guest: Guest): Promise<string> {
  const pids = await guest.ok('systemctl show --value -p MainPID writd.service writ-launchd.service')
  return pids.split('\n').filter(Boolean).join(' ')
}

async function active(guest: Guest, unit: string): Promise<string> {
  return (await guest.run(`systemctl is-active ${unit}`)).stdout.toString().trim()
}
