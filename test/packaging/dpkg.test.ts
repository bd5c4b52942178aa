import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HOUSE, IS_ROOT } from './built-package.ts'
import { DpkgHost } from './dpkg-host.ts'

const SOCKET_CHANGED = '\n# another one\n'
const LAUNCHER_CHANGED = 'another one'

describe.skipIf(!IS_ROOT)('dpkg, in earnest, in a chroot (needs root: a mount namespace)', () => {
  let host: DpkgHost
  beforeEach(async () => {
    host = await DpkgHost.start()
    const { status, stdout, stderr } = host.install({ version: '1.0' })
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: expect.any(String) })
  })
  afterEach(() => host.close())

  test('a first installation starts and enables nothing', () => {
    expect(host.invoked()).toEqual([])
    expect(host.sh('ls /etc/systemd/system/*.wants/writ* 2>/dev/null || true')).toBe('')
  })

  test('an older version is refused by name, and nothing is changed; whoever means it says so', () => {
    const refused = host.install({ version: '0.9' })
    expect(refused.status).toBe(1)
    expect(refused.stderr).toContain('writ: 0.9 is older than 1.0')
    expect(refused.stderr).toContain('echo 0.9 >/run/writ-allow-downgrade')
    const installed = () => host.sh('dpkg --list writ | tail -n 1').split(/\s+/).slice(0, 3).join(' ')
    expect(installed()).toBe('ii writ 1.0')
    expect(host.invoked()).toEqual([])
    expect(host.sh('ls -d /run/writ-upgrade 2>/dev/null || true')).toBe('')
    // Another version than the one that is meant.
    host.sh('echo 0.8 >/run/writ-allow-downgrade')
    expect(host.install({ version: '0.9' }).status).toBe(1)
    // Also where what is installed was removed: its log is still there.
    expect(host.dpkg(['--remove', 'writ']).status).toBe(0)
    expect(host.install({ version: '0.9' }).stderr).toContain('writ: 0.9 is older than 1.0')
    host.sh('echo 0.9 >/run/writ-allow-downgrade')
    expect(host.install({ version: '0.9' })).toMatchObject({ status: 0 })
    expect(installed()).toBe('ii writ 0.9')
    // Said once, meant once.
    expect(host.sh('ls /run/writ-allow-downgrade 2>/dev/null || true')).toBe('')
  })

  test('an upgrade restarts the daemon alone; a socket only where it is another one', async () => {
    await host.startLauncher(2)
    expect(host.install({ version: '1.1' })).toMatchObject({ status: 0 })
    expect(host.invoked()).toEqual(['try-restart writd.service'])
    expect(host.install({ version: '1.2', socket: SOCKET_CHANGED })).toMatchObject({ status: 0 })
    expect(host.invoked()).toEqual(['try-restart writd.socket writd.service'])
    expect(host.sh('ls -d /run/writ-upgrade 2>/dev/null || true')).toBe('')
  })

  describe('an upgrade with another launcher', () => {
    const next = { version: '1.1', launcher: LAUNCHER_CHANGED, socket: SOCKET_CHANGED }

    test('without anybody to ask restarts nothing, and says what would end and how to finish', async () => {
      await host.startLauncher(3)
      const { status, stderr } = host.install(next)
      expect(status).toBe(0)
      expect(host.invoked()).toEqual([])
      expect(stderr).toContain('ends 3 executions')
      expect(stderr).toContain('systemctl restart writd.socket writd.service writ-launchd.service')
      // The next one brings the same launcher, and what runs is still the first.
      expect(host.install({ ...next, version: '1.2' }).stderr).toContain('ends 3 executions')
      expect(host.invoked()).toEqual([])
    })

    test('asks, with the number of executions, and does as it is told', async () => {
      await host.startLauncher(3)
      const asked = { env: { DEBIAN_FRONTEND: 'teletype' } }
      const no = host.install(next, { ...asked, input: 'no\n' })
      const said = (no.stdout + no.stderr).replace(/\s+/g, ' ')
      expect(said).toContain('Restart the Writ launcher, and end 3 executions?')
      expect(said).toContain('"systemctl restart writd.socket writd.service writ-launchd.service"')
      expect(no.status).toBe(0)
      expect(host.invoked()).toEqual([])
      // The socket that runs is still the first one's.
      const yes = host.install({ ...next, version: '1.2' }, { ...asked, input: 'yes\n' })
      expect(yes.status).toBe(0)
      expect(host.invoked()).toEqual(['try-restart writd.socket writd.service writ-launchd.service'])
      // An answer is no answer to the next question.
      await host.startLauncher(1)
      expect(host.install({ version: '1.3' }).stderr).toContain('ends 1 executions')
      expect(host.invoked()).toEqual([])
    })

    test('takes a socket that somebody has restarted after the answer was no for what runs', async () => {
      await host.startLauncher(1)
      expect(host.install(next)).toMatchObject({ status: 0 })
      host.sh('echo \'case "$*" in *ActiveEnterTimestamp*) echo @9999999999 ;; esac\' >>/run/stubs/systemctl')
      await host.startLauncher(0)
      expect(host.install({ ...next, version: '1.2' })).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual(['try-restart writd.service'])
      // And so another one for another.
      host.sh('mkdir /run/writ-upgrade; cp /lib/systemd/system/writd.service /run/writ-upgrade/writd.socket')
      expect(host.install({ ...next, version: '1.3', socket: '' })).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual(['try-restart writd.socket writd.service'])
    })

    test('takes an answer that was given beforehand', async () => {
      await host.startLauncher(3)
      host.sh('echo writ writ/restart-launcher boolean true | debconf-set-selections')
      expect(host.install(next)).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual(['try-restart writd.socket writd.service writ-launchd.service'])
    })

    test('restarts it unasked where nothing runs', async () => {
      await host.startLauncher(0)
      expect(host.install({ ...next, socket: '' })).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual(['try-restart writd.service writ-launchd.service'])
    })

    test('asks also where it cannot count', async () => {
      await host.startLauncher(0)
      host.sh('rm -r /run/cgroup')
      expect(host.install(next).stderr).toContain('ends all executions')
      expect(host.invoked()).toEqual([])
    })
  })

  describe('a purge', () => {
    const fill = () =>
      host.sh(
        'mkdir -p /var/lib/writ/lineage /etc/writ/credentials; touch /var/lib/writ/lineage/x /etc/writ/credentials/x /etc/writ/operator.pub',
      )
    const left = () =>
      host.sh('cd / && find var/lib/writ etc/writ 2>/dev/null | sort || true').trim().split('\n')
    const ALL = ['etc/writ', 'etc/writ/credentials', 'etc/writ/credentials/x', 'etc/writ/operator.pub']
    /** Which version wrote what was kept, for the next installation. */
    const KEPT_BY = 'etc/writ/lineage-version'
    const LINEAGE = ['var/lib/writ', 'var/lib/writ/lineage', 'var/lib/writ/lineage/x']

    test('without anybody to ask keeps what the host has done, and says so', () => {
      fill()
      const { status, stderr } = host.dpkg(['--purge', 'writ'])
      expect(status).toBe(0)
      expect(left()).toEqual([...ALL, KEPT_BY, ...LINEAGE].toSorted())
      expect(stderr).toContain('writ: /var/lib/writ is left behind')
      expect(host.invoked()).toEqual([
        'stop writ-setup.service writd.socket writd-metrics.socket writd.service writ-launchd.service',
      ])
    })

    test.each([
      ['no', [...ALL, KEPT_BY, ...LINEAGE].toSorted()],
      ['yes', ['etc/writ', 'etc/writ/operator.pub']],
    ])('asks before the lineage goes: %s', (answer, after) => {
      fill()
      expect(host.dpkg(['--remove', 'writ']).status).toBe(0)
      const { status, stdout, stderr } = host.dpkg(['--purge', 'writ'], {
        env: { DEBIAN_FRONTEND: 'teletype' },
        input: `${answer}\n`,
      })
      expect(stdout + stderr).toContain('Delete the lineage of this host, which is evidence?')
      expect(status).toBe(0)
      expect(left()).toEqual(after)
      expect(host.sh('debconf-show writ')).toBe('')
    })

    test('that keeps the lineage keeps an older version from it, too', () => {
      fill()
      expect(host.dpkg(['--purge', 'writ']).status).toBe(0)
      expect(host.install({ version: '0.9' })).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('writ: 0.9 is older than 1.0'),
      })
      expect(host.install({ version: '1.0' })).toMatchObject({ status: 0 })
      expect(left()).not.toContain(KEPT_BY)
      // Where the lineage is gone nothing is in the way of any version.
      expect(host.dpkg(['--purge', 'writ']).status).toBe(0)
      host.sh('rm -r /var/lib/writ')
      expect(host.install({ version: '0.9' })).toMatchObject({ status: 0 })
    })

    test.each([
      ['a disk of its own', 'mount -t tmpfs tmpfs /var/lib/writ'],
      ['behind a link', 'rmdir /var/lib/writ; mkdir /run/disk; ln -s /run/disk /var/lib/writ'],
    ])('comes to its end where the lineage is %s: no, then yes', (_, place) => {
      host.sh(`mkdir -p /var/lib/writ; ${place}; mkdir /var/lib/writ/lineage; touch /var/lib/writ/lineage/x`)
      expect(host.dpkg(['--purge', 'writ'])).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('writ: /var/lib/writ is left behind'),
      })
      expect(host.sh('ls /var/lib/writ/lineage')).toBe('x\n')
      expect(host.install({ version: '1.0' })).toMatchObject({ status: 0 })
      const { status, stdout, stderr } = host.dpkg(['--purge', 'writ'], {
        env: { DEBIAN_FRONTEND: 'teletype' },
        input: 'yes\n',
      })
      expect({ status, said: stdout + stderr }).toEqual({
        status: 0,
        said: expect.stringContaining('are gone, as was answered'),
      })
      expect(host.sh('ls -A /var/lib/writ/')).toBe('')
    })

    test('that cannot ask, because debconf does not answer, fails and takes nothing of it', () => {
      fill()
      const locked = host.run(['flock', '/var/cache/debconf/config.dat', 'dpkg', '--purge', 'writ'])
      expect(locked.status).toBe(1)
      expect(left()).toEqual(expect.arrayContaining([...ALL, ...LINEAGE]))
      expect(host.dpkg(['--purge', 'writ'])).toMatchObject({ status: 0 })
      expect(left()).toEqual(expect.arrayContaining([...ALL, ...LINEAGE]))
    })

    test('that is told yes takes the secrets also where they are behind a link', () => {
      fill()
      host.sh('mv /etc/writ/credentials /run/secrets && ln -s /run/secrets /etc/writ/credentials')
      const { status } = host.dpkg(['--purge', 'writ'], {
        env: { DEBIAN_FRONTEND: 'teletype' },
        input: 'yes\n',
      })
      expect(status).toBe(0)
      expect(host.sh('ls -A /run/secrets')).toBe('')
    })

    test('says what the setup has changed of the host, and how it is taken back', () => {
      // As cli/setup/steps/ima.ts puts them there.
      host.sh('mkdir -p /etc/ima /etc/default/grub.d; touch /etc/default/grub.d/50-writ.cfg')
      host.run(['tee', '/etc/ima/ima-policy'], {
        input: readFileSync(join(HOUSE, 'packaging/ima/ima-policy'), 'utf8'),
      })
      expect(host.dpkg(['--purge', 'writ']).stderr).toMatch(
        /rm \/etc\/ima\/ima-policy\n[\s\S]*rm \/etc\/default\/grub\.d\/50-writ\.cfg && update-grub\n/,
      )
      // Another policy than Writ's is nobody's but the administrator's.
      expect(host.install({ version: '1.0' })).toMatchObject({ status: 0 })
      host.sh('echo measure func=BPRM_CHECK >/etc/ima/ima-policy; rm /etc/default/grub.d/50-writ.cfg')
      expect(host.dpkg(['--purge', 'writ']).stderr).not.toMatch(/ima-policy|grub/)
    })

    test("leaves no unit enabled, a first boot's setup neither", () => {
      const link = '/etc/systemd/system/multi-user.target.wants/writ-setup.service'
      host.sh(`mkdir -p "$(dirname ${link})"; ln -s /usr/lib/systemd/system/writ-setup.service ${link}`)
      expect(host.dpkg(['--purge', 'writ']).status).toBe(0)
      expect(host.sh("find /etc/systemd/system /var/lib/systemd -name 'writ*'")).toBe('')
    })

    test('leaves nothing of a host that was never provisioned, and asks nothing', () => {
      const { status, stdout, stderr } = host.dpkg(['--purge', 'writ'], {
        env: { DEBIAN_FRONTEND: 'teletype' },
      })
      expect({ status, asked: (stdout + stderr).includes('evidence?') }).toEqual({ status: 0, asked: false })
      expect(left()).toEqual([''])
    })
  })

  describe('the AppArmor profile', () => {
    const PROFILES = '/sys/kernel/security/apparmor/profiles'
    const loaded = (names: string) =>
      host.sh(`mkdir -p ${dirname(PROFILES)}; printf '%s\\n' '${names}' >${PROFILES}`)
    const parsed = () => host.invoked('apparmor_parser')

    test('is loaded by an installation, and taken out of the kernel by a removal', () => {
      loaded('man_filter (enforce)')
      host.install({ version: '1.1' })
      expect(parsed()).toEqual(['--replace --write-cache --skip-bad-cache /etc/apparmor.d/writd'])
      loaded('writd (enforce)')
      expect(host.dpkg(['--remove', 'writ'])).toMatchObject({ status: 0 })
      expect(parsed()).toEqual(['--remove /etc/apparmor.d/writd'])
      // A purge takes what was added to it, too; there is nothing left to unload by.
      loaded('man_filter (enforce)')
      host.sh(
        'echo x >/etc/apparmor.d/local/writd; mkdir -p /var/cache/apparmor/1.0; echo x >/var/cache/apparmor/1.0/writd',
      )
      expect(host.dpkg(['--purge', 'writ'])).toMatchObject({ status: 0 })
      expect(parsed()).toEqual([])
      expect(host.sh("find /etc/apparmor.d /var/cache/apparmor -name 'writd*'")).toBe('')
    })

    test('of which the kernel knows nothing is not asked for, and one that stays is said to stay', () => {
      expect(host.dpkg(['--remove', 'writ'])).toMatchObject({ status: 0 })
      expect(parsed()).toEqual([])
      host.install({ version: '1.0' })
      loaded('writd (enforce)')
      host.sh("printf '#!/bin/sh\\nexit 1\\n' >/run/stubs/apparmor_parser")
      expect(host.dpkg(['--remove', 'writ'])).toMatchObject({
        status: 0,
        stderr: expect.stringContaining('stays loaded until the next boot'),
      })
    })
  })

  test('the umask of whoever installs it is nowhere in what is made', () => {
    const modes = (mask: string) => {
      host.sh(
        'rm -rf /etc/systemd/system/multi-user.target.wants/writ* && dpkg --purge --force-depends writ 2>/dev/null',
      )
      host.sh(`umask ${mask}; dpkg --force-depends --install /run/writ.deb`)
      host.sh('mkdir -p /etc/systemd/system/multi-user.target.wants')
      host.sh(`ln -s /usr/lib/systemd/system/writ-setup.service /etc/systemd/system/multi-user.target.wants/
        umask ${mask}; dpkg --remove --force-depends writ; dpkg --force-depends --install /run/writ.deb`)
      return host.sh(
        "find /etc/writ /etc/apparmor.d/writd /usr/lib/writ /var/lib/systemd/deb-systemd-helper-* -printf '%M %p\\n' | sort",
      )
    }
    expect(modes('077')).toBe(modes('022'))
    expect(modes('000')).toContain('drwxr-xr-x /etc/writ\n')
  })

  describe('after a removal', () => {
    const START = 'start writd.socket writd-metrics.socket writ-launchd.service writd.service'
    const remove = () => {
      expect(host.dpkg(['--remove', 'writ']).status).toBe(0)
      expect(host.invoked()).toEqual([
        'stop writ-setup.service writd.socket writd-metrics.socket writd.service writ-launchd.service',
      ])
      // Masked, so that nobody starts what is no longer there.
      expect(host.sh('readlink /etc/systemd/system/writd.service')).toBe('/dev/null\n')
    }

    test('an installation starts what the removal has stopped', () => {
      remove()
      expect(host.install({ version: '1.0' })).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual(['try-restart writd.service', START])
    })

    test('leaves masked what the administrator has masked', () => {
      host.sh('ln -s /dev/null /etc/systemd/system/writd.service')
      remove()
      expect(host.install({ version: '1.0' })).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual([
        'try-restart writd.service',
        'start writd.socket writd-metrics.socket writ-launchd.service',
      ])
      expect(host.sh('readlink /etc/systemd/system/writd.service')).toBe('/dev/null\n')
    })

    test('the setup of a first boot is masked, and enabled again with the package, but not started', () => {
      const link = '/etc/systemd/system/multi-user.target.wants/writ-setup.service'
      host.sh(`mkdir -p "$(dirname ${link})"; ln -s /usr/lib/systemd/system/writ-setup.service ${link}`)
      remove()
      expect(host.sh('readlink /etc/systemd/system/writ-setup.service')).toBe('/dev/null\n')
      expect(host.install({ version: '1.0' })).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual(['try-restart writd.service', START])
      expect(
        host.sh(`ls -d /etc/systemd/system/writ-setup.service 2>/dev/null || true; readlink ${link}`),
      ).toBe('/usr/lib/systemd/system/writ-setup.service\n')
    })

    test('that fails, what it had stopped is started again', () => {
      host.sh('cd /var/lib/dpkg/info && sed -i "\\$ a exit 1" writ.prerm')
      expect(host.dpkg(['--remove', 'writ']).status).toBe(1)
      expect(host.invoked()[1]).toMatch(/^start .*writd.service$/)
    })
  })

  test("a removal empties the launcher's store, which may be a disk of its own", () => {
    host.sh(
      'mkdir -p /var/cache/writ-store; mount -t tmpfs tmpfs /var/cache/writ-store; echo x >/var/cache/writ-store/x',
    )
    expect(host.dpkg(['--remove', 'writ'])).toMatchObject({ status: 0, stderr: '' })
    expect(host.sh('ls -A /var/cache/writ-store')).toBe('')
    host.sh('umount /var/cache/writ-store')
    expect(host.install({ version: '1.0' })).toMatchObject({ status: 0 })
    expect(host.dpkg(['--remove', 'writ'])).toMatchObject({ status: 0 })
    expect(host.sh('ls -d /var/cache/writ-store 2>/dev/null || true')).toBe('')
  })

  test.each([
    ['fails', 'exit 1', 1, null],
    // debconf tells dpkg of a status, and of no signal.
    ['is killed', 'kill -KILL $PPID', 0, '1.2'],
  ])(
    'an upgrade whose script %s restarts nothing, and is finished by the next try',
    async (_, how, status, next) => {
      await host.startLauncher(1)
      host.sh(`printf '#!/bin/sh\\n${how}\\n' >/run/stubs/systemd-tmpfiles`)
      expect(host.install({ version: '1.1', socket: SOCKET_CHANGED })).toMatchObject({ status })
      expect(host.invoked()).toEqual([])
      host.sh("printf '#!/bin/sh\\n' >/run/stubs/systemd-tmpfiles")
      const again =
        next === null
          ? host.dpkg(['--configure', 'writ'])
          : host.install({ version: next, socket: SOCKET_CHANGED })
      expect(again).toMatchObject({ status: 0 })
      expect(host.invoked()).toEqual(['try-restart writd.socket writd.service'])
      expect(host.sh('ls -d /run/writ-upgrade 2>/dev/null || true')).toBe('')
    },
  )

  test('a failed upgrade changes nothing that runs', async () => {
    await host.startLauncher(1)
    // The old one fails before the upgrade; the new one is asked then, and lets it go on.
    host.sh('cd /var/lib/dpkg/info && sed -i "\\$ a exit 1" writ.prerm')
    expect(host.install({ version: '1.1' })).toMatchObject({ status: 0 })
    expect(host.invoked()).toEqual(['try-restart writd.service'])
  })
})
