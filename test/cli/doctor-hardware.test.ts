import { describe, expect, test } from 'vitest'
import { diagnose } from '../../cli/doctor/doctor.ts'
import { Host } from '../../cli/doctor/host.ts'
import { seen, type TpmFacts } from '../../cli/probe/index.ts'
import type { FakedHost } from './faked-host.ts'
import { COMMAND_LINE, healthyHost, SECURE_BOOT, SETUP_MODE } from './healthy-host.ts'

/** What is said of a host that is healthy but for this, as `CODE: what. What to do`. */
async function said(
  change: (host: FakedHost) => unknown,
  severities = ['error', 'warning'],
): Promise<string[]> {
  const host = await healthyHost()
  change(host)
  const { findings } = await diagnose(new Host(host.probes(), '/etc/writ/writd.toml'))
  return findings
    .filter(({ severity }) => severities.includes(severity))
    .map(({ code, what, todo }) => `${code}: ${what}. ${todo}`)
}

const tpm = (host: FakedHost, change: (facts: TpmFacts) => Partial<TpmFacts>): void => {
  if (host.tpm.seen) host.tpm = seen({ ...host.tpm.value, ...change(host.tpm.value) })
}
const all = Array.from({ length: 24 }, (_, pcr) => pcr)

describe('a discrete TPM', () => {
  test('with SHA-1 beside SHA-256 is as good as one without', async () => {
    for (const banks of [['sha256'], ['sha1', 'sha256'], ['sha1', 'sha256', 'sha384']])
      expect(
        await said(host => tpm(host, () => ({ banks: banks.map(bank => ({ bank, pcrs: all })) }))),
      ).toEqual([])
  })

  test.each<[string, TpmFacts['banks'], string]>([
    ['with SHA-1 alone', [{ bank: 'sha1', pcrs: all }], 'it has sha1'],
    ['without any', [], 'it has no bank at all'],
    [
      'whose SHA-256 bank is cut',
      [{ bank: 'sha256', pcrs: all.slice(0, 8) }],
      'its SHA-256 bank has PCR 0, 1, 2, 3, 4, 5, 6, 7 alone',
    ],
  ])('%s is refused, and the firmware named first', async (_, banks, what) => {
    const [finding = '', ...more] = await said(host => tpm(host, () => ({ banks })))
    expect(more).toEqual([])
    expect(finding).toMatch(/^TPM_NO_SHA256: .*settings of the firmware.*platform hierarchy/)
    expect(finding).toContain(what)
  })

  test('in lockout, or with an owner, says with which command what is done', async () => {
    const lock = (host: FakedHost) =>
      tpm(host, ({ hierarchies }) => ({ hierarchies: { ...hierarchies, inLockout: true } }))
    const [locked = '', ...more] = await said(lock)
    expect(more).toEqual([])
    expect(locked).toMatch(/every 7200 s it forgets one failure.*--clear-lockout --auth file:-/)
    const forever = await said(host => {
      lock(host)
      tpm(host, ({ use }) => ({ use: { ...use, lockout: { ...use.lockout, intervalSeconds: 0 } } }))
    })
    expect(forever).toEqual([expect.stringContaining('forgets no failure by itself')])
    // The daemon goes on: nothing of its own counts failures.
    expect(await said(lock, ['error'])).toEqual([])
    const owned = await said(host => {
      tpm(host, ({ hierarchies }) => ({ hierarchies: { ...hierarchies, ownerAuthSet: true } }))
      host.files.delete('/var/lib/writ/identity/identity.json')
    })
    expect(owned.join('\n')).toContain('writ setup --owner-auth-env NAME')
  })
})

describe('a host that GRUB boots', () => {
  const GRUB_CFG = '/boot/grub/grub.cfg'
  const entry = (more: string) => `menuentry 'Debian' {\n\tlinux\t/vmlinuz-6.12 root=/dev/sda ro ${more}\n}\n`
  const booted = (host: FakedHost) => host.put('/proc/cmdline', 'BOOT_IMAGE=/vmlinuz root=/dev/sda quiet\n')
  const how = async (change: (host: FakedHost) => unknown) =>
    (await said(change)).find(finding => finding.startsWith('IMA_BOOT_POLICY'))

  test('is told where GRUB has its command line, or that it has it', async () => {
    expect(await how(booted)).toContain('to GRUB_CMDLINE_LINUX in /etc/default/grub, then `update-grub`')
    for (const [config, expected] of [
      [entry('quiet'), 'GRUB_CMDLINE_LINUX'],
      [`# ima_policy=tcb\n${entry('quiet')}`, 'GRUB_CMDLINE_LINUX'],
      [entry('quiet ima_policy=tcb ima_hash=sha256'), "GRUB's configuration has it: reboot"],
    ] as const) {
      const text = await how(host => {
        booted(host)
        host.put(GRUB_CFG, config)
      })
      expect(text).toContain(expected)
    }
    // Debian's is root's alone.
    const denied = await how(host => {
      booted(host)
      host.put(GRUB_CFG, { denied: true })
    })
    expect(denied).toContain('GRUB_CMDLINE_LINUX')
  })

  test.each([
    ['StubInfo', 'unified kernel image anew'],
    ['LoaderInfo', 'kernel-install add'],
  ])('by something else that leaves %s is told otherwise', async (variable, expected) => {
    const text = await how(host => {
      host.put('/proc/cmdline', 'root=/dev/sda quiet\n')
      host.put(`/sys/firmware/efi/efivars/${variable}-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f`, 'x')
    })
    expect(text).toContain(expected)
    expect(text).not.toContain('GRUB')
  })

  test.each(['/usr/lib/systemd/systemd', '/lib/systemd/systemd', '/sbin/init'])(
    'may name systemd as what it is (init=%s), and nothing else',
    async init => {
      const risky = (path: string) =>
        said(host => host.put('/proc/cmdline', `BOOT_IMAGE=/vmlinuz init=${path} ${COMMAND_LINE}\n`))
      expect(await risky(init)).toEqual([])
      expect((await risky(`${init}.bak`)).join()).toContain('COMMAND_LINE_RISKY')
    },
  )
})

describe('in a container', () => {
  test.each<[string, (host: FakedHost) => unknown]>([
    ['docker', host => host.put('/.dockerenv', '')],
    ['podman', host => host.put('/run/.containerenv', '')],
    ['lxc', host => host.put('/proc/1/environ', 'PATH=/bin\0container=lxc\0')],
  ])('of %s nothing is claimed of the boot that it hides', async (kind, mark) => {
    const inside = (host: FakedHost) => {
      mark(host)
      for (const path of [...host.files.keys()]) if (path.startsWith('/sys/')) host.files.delete(path)
      host.put('/sys/fs/cgroup/cgroup.controllers', 'memory pids cpu\n')
    }
    expect(await said(inside)).toEqual([expect.stringContaining(`IN_CONTAINER: of the kind ${kind}`)])
    const hidden = (await said(inside, ['not checked'])).join('\n')
    for (const code of ['EVENT_LOG_MISSING', 'NOT_UEFI', 'IMA_MISSING', 'APPARMOR_OFF'])
      expect(hidden).toContain(`${code}: this runs in a container (${kind})`)
  })
})

describe('a firmware', () => {
  test('without the variables of Secure Boot has none', async () => {
    const found = await said(host => {
      for (const path of [SECURE_BOOT, SETUP_MODE]) host.files.delete(path)
      host.put('/sys/firmware/efi/efivars/BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c', 'x')
    })
    expect(found).toEqual([expect.stringMatching(/^SECURE_BOOT_OFF/)])
  })

  test('whose variables are not mounted is not said to be without', async () => {
    const none = (host: FakedHost) => {
      for (const path of [SECURE_BOOT, SETUP_MODE]) host.files.delete(path)
      host.put('/sys/firmware/efi/systab', 'x')
    }
    expect(await said(none)).toEqual([])
    expect((await said(none, ['not checked'])).join('\n')).toMatch(/SECURE_BOOT_OFF: .*mount -t efivarfs/)
  })
})

describe('the nodes of NVIDIA', () => {
  const nodes = (host: FakedHost, mode: number) => {
    for (const name of ['nvidiactl', 'nvidia0', 'nvidia-uvm'])
      host.put(`/dev/${name}`, { kind: 'character-device', mode, content: '' })
  }
  const launchd = (host: FakedHost, line: string) =>
    host.put('/etc/writ/launchd.conf', `${host.files.get('/etc/writ/launchd.conf')?.content}\n${line}\n`)
  const CLASS = 'device.gpu = /dev/nvidiactl, /dev/nvidia[0-9]*, /dev/nvidia-uvm'

  test('open to everybody are said with the options of the module, not those of udev', async () => {
    const found = await said(host => {
      nodes(host, 0o666)
      launchd(host, CLASS)
      host.put('/proc/driver/nvidia/params', 'ModifyDeviceFiles: 1\nDeviceFileMode: 438\n')
    })
    expect(found).toHaveLength(4)
    for (const finding of found) {
      expect(finding).toMatch(/^ACCELERATOR_OPEN.*NVreg_DeviceFileMode=0600/)
      expect(finding).not.toContain('govern-accelerators')
    }
  })

  test('closed, and named by a class, are good; a class for other devices names them not', async () => {
    const closed = (line: string) => (host: FakedHost) => {
      nodes(host, 0o600)
      launchd(host, line)
    }
    expect(await said(closed(CLASS))).toEqual([])
    expect(await said(closed('device.gpu = /dev/kfd, /dev/dri/renderD*'))).toEqual([
      expect.stringMatching(/^ACCELERATOR_UNNAMED/),
    ])
  })
})

describe('the daemon of a host with AppArmor', () => {
  const at = (file: string, label: string) => (host: FakedHost) => {
    host.files.delete('/proc/700/attr/apparmor/current')
    host.put(`/proc/700/attr/${file}`, label)
  }
  const unconfined = async (change: (host: FakedHost) => unknown) =>
    (await said(change)).filter(line => line.startsWith('DAEMON_UNCONFINED'))

  test.each([
    ['apparmor/current', 'writd (enforce)\n'],
    // Before Linux 5.8.
    ['current', 'writd (enforce)\n'],
    ['current', 'writd (enforce)\0'],
    ['apparmor/current', 'site//&writd (enforce)\n'],
  ])('is confined: %s says %j', async (file, label) => {
    expect(await unconfined(at(file, label))).toEqual([])
  })

  test.each([
    ['apparmor/current', 'unconfined\n'],
    ['current', 'unconfined\n'],
    ['apparmor/current', 'writd-old (enforce)\n'],
    ['apparmor/current', 'writd//child (enforce)\n'],
  ])('is not, whatever is loaded: %s says %j', async (file, label) => {
    const [name] = label.split(/[ \n]/)
    expect(await unconfined(at(file, label))).toEqual([
      `DAEMON_UNCONFINED: pid 700 is ${name}. \`systemctl restart writd\``,
    ])
  })

  test('is asked by its own file alone where that is there', async () => {
    const host = (host: FakedHost) => host.put('/proc/700/attr/current', 'system_u:system_r:init_t:s0')
    expect(await unconfined(host)).toEqual([])
  })

  test('is looked at where nobody may see what is loaded', async () => {
    const found = await unconfined(host => {
      host.put('/sys/kernel/security/apparmor/profiles', { denied: true })
      host.put('/proc/700/attr/apparmor/current', 'unconfined\n')
    })
    expect(found).toHaveLength(1)
  })
})
