import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOUSE, IS_ROOT } from './built-package.ts'

const UNITS = ['writd.socket', 'writ-launchd.service', 'writd.service']
let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'writ-scripts-'))
  for (const name of ['bin', 'run/systemd/system', 'units']) mkdirSync(join(dir, name), { recursive: true })
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

/**
 * What a script has the service manager do. It sees a manager that runs, and units of the host in a directory of the test; what it calls does
 * nothing but write itself down, and `unmask` what it says.
 *
 * @param helperMasks units that the package has masked, not the administrator
 */
function invoked(script: string, args: readonly string[], helperMasks: readonly string[] = []): string[] {
  const log = join(dir, 'log')
  rmSync(log, { force: true })
  for (const unit of helperMasks) symlinkSync('/dev/null', join(dir, 'units', unit))
  const record = `#!/bin/sh\necho "\${0##*/} $*" >>"${log}"\n`
  for (const name of ['systemd-sysusers', 'systemd-tmpfiles', 'udevadm', 'deb-systemd-invoke', 'systemctl'])
    writeFileSync(join(dir, 'bin', name), record, { mode: 0o755 })
  const unmask = helperMasks.map(
    unit => `[ "$*" != "unmask ${unit}" ] || rm -f /etc/systemd/system/${unit}\n`,
  )
  writeFileSync(join(dir, 'bin/deb-systemd-helper'), record + unmask.join(''), { mode: 0o755 })
  const mounts = `mount --bind "$0/run" /run && mount --bind "$0/units" /etc/systemd/system`
  const shell = ['sh', '-c', `${mounts} && exec sh -e "$@"`, dir, join(HOUSE, 'packaging/deb', script)]
  const { status, stderr } = spawnSync('unshare', ['--mount', ...shell, ...args], {
    encoding: 'utf8',
    env: { PATH: `${join(dir, 'bin')}:/usr/bin:/bin` },
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []
  return lines.flatMap(line => /^deb-systemd-invoke (.*)/.exec(line)?.[1] ?? [])
}

describe.skipIf(!IS_ROOT || !existsSync('/etc/systemd/system'))(
  'the maintainer scripts have the service manager (needs root, and /etc/systemd/system: a mount namespace)',
  () => {
    test('do nothing at a first installation', () => {
      expect(invoked('postinst', ['configure', ''])).toEqual([])
      expect(invoked('postinst', ['configure', ''], UNITS)).toEqual([])
    })

    test('restart at an upgrade what runs, the socket too, and start nothing else', () => {
      expect(invoked('postinst', ['configure', '1.0'])).toEqual([`try-restart ${UNITS.join(' ')}`])
    })

    test('start after a removal what the package has stopped', () => {
      expect(invoked('postinst', ['configure', '1.0'], UNITS)).toEqual([
        `try-restart ${UNITS.join(' ')}`,
        `start ${UNITS.join(' ')}`,
      ])
    })

    test('leave alone what the administrator has masked', () => {
      symlinkSync('/dev/null', join(dir, 'units/writd.service'))
      expect(invoked('postinst', ['configure', '1.0'], ['writd.socket'])).toContain('start writd.socket')
    })

    test('stop everything before a removal, and start it again where the removal fails', () => {
      expect(invoked('prerm', ['remove'])).toEqual(['stop writd.socket writd.service writ-launchd.service'])
      expect(invoked('postinst', ['abort-remove'])).toEqual([`start ${UNITS.join(' ')}`])
    })

    test.each(['upgrade', 'deconfigure'])('do nothing before a failed %s, nor after it', verb => {
      expect(invoked('prerm', [verb, '2.0'])).toEqual([])
      expect(invoked('postinst', [`abort-${verb}`, '2.0'])).toEqual([])
    })
  },
)
