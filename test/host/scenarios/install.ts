import { equal, match, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ALICE, PROGRAMS } from '../governed.ts'
import type { Guest } from '../guest.ts'
import { ok as run } from '../processes.ts'
import type { Bench } from './bench.ts'

const UNITS = ['writd.service', 'writd.socket', 'writd-metrics.socket', 'writ-launchd.service']

/** How many programs there are that are listed and were never executed: each run of one is a new entry of IMA's log. */
export const TICKS = 400

const MAKE_TICKS = `
mkdir -p /usr/local/lib/ticks
i=0
while [ $i -lt ${TICKS} ]; do printf '#!/bin/sh\\n: %s\\n' $i >/usr/local/lib/ticks/$i; i=$((i + 1)); done
chmod 755 /usr/local/lib/ticks/*
`

/** The first boot: installs the package as a person would, and starts nothing. */
export async function install({ steps, machine, operator, deb }: Bench): Promise<void> {
  const guest = await steps.boot('a new machine boots with Secure Boot', () => machine.boot())
  await steps.step('the package installs', async () => {
    await guest.put('/root/writ.deb', readFileSync(deb))
    await dpkg(guest, '-i /root/writ.deb')
  })
  await steps.step('nothing of it is enabled or runs', () => nothingRuns(guest))
  await steps.step('systemd finds nothing wrong with its units', async () => {
    const { status, stdout, stderr } = await guest.run(`systemd-analyze verify --man=no ${UNITS.join(' ')}`)
    equal(`${stdout}${stderr}`, '')
    equal(status, 0)
  })
  await steps.step('purged, it leaves no unit and no program; installed again, nothing runs', async () => {
    await dpkg(guest, '--purge writ')
    equal((await guest.run('ls -d /usr/lib/writ /etc/writ /var/lib/writ')).stdout.toString(), '')
    for (const unit of UNITS) equal((await guest.run(`systemctl cat ${unit}`)).status, 1, unit)
    await dpkg(guest, '-i /root/writ.deb')
    await nothingRuns(guest)
  })
  await steps.step('unprovisioned it does not start, and that is no failure', async () => {
    await guest.ok('systemctl start writd.socket writ-launchd.service writd.service || true')
    equal((await guest.run('systemctl is-active --quiet writd.service')).status, 3)
    equal((await guest.run('systemctl is-active --quiet writd.socket')).status, 3)
    equal(await guest.ok('systemctl --failed --plain --no-legend'), '')
    await guest.ok('systemctl stop writ-launchd.service writd.socket writd.service')
  })
  await steps.step('the TPM is for the group that the daemon has, and the user is there', async () => {
    match(await guest.ok('stat -c "%G %a" /dev/tpmrm0'), /^tss 660$/)
    equal(await guest.ok('stat -c %a /dev/tpm0 | grep -c "[1-9]$" || true'), '0')
    match(await guest.ok('id writ'), /\(writ\)/)
  })
  await steps.step('the IMA policy goes to its place', () =>
    guest.ok('install -D -m 644 /usr/share/writ/ima-policy /etc/ima/ima-policy'),
  )
  await steps.step('a user, and programs', async () => {
    await guest.ok(`useradd --create-home --groups writ ${ALICE}`)
    await run([
      'gcc',
      '-O2',
      '-static',
      '-o',
      operator.path('greet'),
      join(import.meta.dirname, '../programs/greet.c'),
    ])
    await guest.ok(`mkdir -p ${PROGRAMS}`)
    await guest.put(`${PROGRAMS}/greet`, readFileSync(operator.path('greet')), '755')
    await guest.ok(MAKE_TICKS)
  })
  await steps.powerOff(guest)
}

/** Runs dpkg as a script would: nobody is there to answer. @returns what it and the package's scripts say */
export function dpkg(guest: Guest, args: string): Promise<string> {
  return guest.ok(`DEBIAN_FRONTEND=noninteractive dpkg ${args} 2>&1`, { timeoutMs: 600_000 })
}

async function nothingRuns(guest: Guest): Promise<void> {
  for (const unit of UNITS) {
    equal((await guest.run(`systemctl is-active --quiet ${unit}`)).status, 3, unit)
    equal((await guest.run(`systemctl is-enabled --quiet ${unit}`)).status, 1, unit)
  }
  equal((await guest.run('pgrep -f /usr/lib/[w]rit/')).status, 1)
  ok(!(await guest.ok('ls /run')).includes('writ'))
}
