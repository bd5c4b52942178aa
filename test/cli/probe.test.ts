import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SimulatedTpm, startSimulatedTpm } from '../../attestation/tpm2/swtpm/index.ts'
import {
  EVENT_LOG,
  liveProbes,
  type Probes,
  parameter,
  readAccelerators,
  readBoot,
  readCgroup,
  readEventLog,
  readIma,
  readSecureBoot,
  seen,
} from '../../cli/probe/index.ts'
import { unitFacts } from '../../cli/probe/live/services.ts'
import { temporaryDirectory } from './cli.ts'

const dir = temporaryDirectory()
const root = dir.in('root')
let tpm: SimulatedTpm
let probes: Probes

function put(path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

beforeAll(async () => {
  tpm = await startSimulatedTpm({ dir: dir.in('tpm') })
  probes = liveProbes({ tpm: `swtpm:${tpm.paths.socket}`, socket: dir.in('none.sock'), root })
  const host = 'test/fixtures/hosts/debian13-uki-secureboot'
  put(
    '/proc/cmdline',
    'root=/dev/vda2 ima_policy=tcb quiet ima_hash=sha256 note="two words" ima_policy=critical_data\n',
  )
  put('/sys/fs/cgroup/cgroup.controllers', 'cpuset cpu io memory pids\n')
  put(
    '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
    Buffer.from([6, 0, 0, 0, 1]),
  )
  put(
    '/sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c',
    Buffer.from([6, 0, 0, 0, 0]),
  )
  put('/sys/kernel/security/tpm0/x', '')
  copyFileSync(`${host}/eventlog.bin`, join(root, 'sys/kernel/security/tpm0/binary_bios_measurements'))
  put('/sys/kernel/security/ima/x', '')
  copyFileSync(`${host}/ima.bin`, join(root, 'sys/kernel/security/ima/binary_runtime_measurements'))
})
afterAll(async () => {
  await tpm.stop()
  dir.remove()
})

describe('the live probes', () => {
  it('say what a TPM is, has and allows', async () => {
    const facts = await probes.tpm.facts()
    expect(facts).toMatchObject({
      seen: true,
      value: {
        vendor: { manufacturer: 'IBM' },
        hierarchies: { lockoutAuthSet: false, inLockout: false },
        use: {
          enabled: { platform: true, owner: true, endorsement: true },
          lockout: { failures: 0, most: 3 },
        },
        banks: expect.arrayContaining([{ bank: 'sha256', pcrs: expect.arrayContaining([0, 10, 23]) }]),
      },
    })
    if (facts.seen) expect(facts.value.ekCertificate?.[0]).toBe(0x30)
    // Asked once: whoever looks again gets the same.
    expect(await probes.tpm.facts()).toBe(facts)
  })

  it('tell a TPM that is not there, one that may not be used and what is none', async () => {
    const at = (where: string) => liveProbes({ tpm: where, socket: '/none' }).tpm.facts()
    expect(await at('device:/dev/none')).toMatchObject({ seen: false, why: 'missing', code: 'ENOENT' })
    expect(await at('device:/dev/null')).toMatchObject({ seen: false, why: 'failed', code: 'TPM_MALFORMED' })
    expect(await at(`swtpm:${dir.in('none')}`)).toMatchObject({ seen: false, why: 'missing', code: 'ENOENT' })
  })

  it('read files below the root that they are given, and no more of one than is asked for', async () => {
    put('/etc/short', '12345')
    symlinkSync('short', join(root, 'etc/link'))
    expect(await probes.files.read('/etc/short')).toEqual(seen(Buffer.from('12345')))
    expect(await probes.files.read('/etc/short', 4)).toMatchObject({ seen: false, why: 'failed' })
    expect(await probes.files.read('/etc')).toMatchObject({ seen: false, why: 'failed' })
    expect(await probes.files.read('/etc/none')).toMatchObject({
      seen: false,
      why: 'missing',
      code: 'ENOENT',
    })
    expect(await probes.files.list('/etc')).toEqual(seen(['link', 'short']))
    expect(await probes.files.link('/etc/link')).toEqual(seen('short'))
    expect(await probes.files.stat('/etc/link')).toMatchObject({ value: { kind: 'file', size: 5 } })
    expect(await probes.files.lstat('/etc/link')).toMatchObject({ value: { kind: 'link' } })
    const space = await probes.files.space('/etc')
    expect(space.seen && space.value.bytesTotal >= space.value.bytesFree && space.value.bytesFree > 0).toBe(
      true,
    )
  })

  it('try what this kernel can do, and ask it for its clock', async () => {
    expect(await probes.kernel.features()).toMatchObject({ value: { seccomp: true, sealFutureWrite: true } })
    const clock = await probes.kernel.clock()
    expect(clock.seen && Math.abs(clock.value.now - Date.now()) < 60_000 && clock.value.sinceBoot > 0).toBe(
      true,
    )
  })

  it('say of a daemon that is not there that it is not', async () => {
    expect(await probes.daemon.status()).toMatchObject({
      seen: false,
      why: 'missing',
      code: 'DAEMON_UNREACHABLE',
    })
  })

  it('read what systemctl prints', () => {
    const text =
      'LoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\nFragmentPath=/usr/lib/systemd/system/writd.service\n' +
      'DropInPaths=/etc/systemd/system/writd.service.d/a.conf /run/x.conf\nNeedDaemonReload=yes\nResult=exit-code\nMainPID=12\nNRestarts=4\nActiveEnterTimestamp=Sun 2026-11-22 10:44:39 UTC\n'
    expect(unitFacts(text)).toEqual({
      load: 'loaded',
      active: 'failed',
      sub: 'failed',
      file: 'enabled',
      path: '/usr/lib/systemd/system/writd.service',
      dropIns: ['/etc/systemd/system/writd.service.d/a.conf', '/run/x.conf'],
      needsReload: true,
      result: 'exit-code',
      mainPid: 12,
      restarts: 4,
      since: Date.UTC(2026, 10, 22, 10, 44, 39),
    })
    expect(unitFacts('')).toMatchObject({ load: '', dropIns: [], mainPid: 0, since: null })
  })
})

describe('what is read of a recorded host', () => {
  it('its command line, the last of a parameter', async () => {
    const boot = await readBoot(probes.files)
    if (!boot.seen) throw new Error(boot.reason)
    expect(boot.value.parameters).toContain('note="two words"')
    expect(parameter(boot.value, 'ima_policy')).toBe('critical_data')
    expect([parameter(boot.value, 'quiet'), parameter(boot.value, 'loud')]).toEqual(['', undefined])
  })

  it('Secure Boot, from the firmware and from its log', async () => {
    expect(await readSecureBoot(probes.files)).toEqual(seen({ efi: true, enabled: true, setupMode: false }))
    const log = await readEventLog(probes.files)
    expect(log.seen && log.value.banks).toEqual(['sha1', 'sha256'])
    const cut = dir.in('cut')
    writeFileSync(cut, readFileSync(join(root, EVENT_LOG)).subarray(0, -3))
    const elsewhere = liveProbes({ tpm: probes.tpm.where, socket: '/none' })
    expect(await readEventLog(elsewhere.files, cut)).toMatchObject({
      why: 'failed',
      code: 'EVENT_LOG_TRUNCATED',
    })
  })

  it('what IMA measured', async () => {
    const ima = await readIma(probes.files, ['/usr/lib/systemd/systemd'])
    if (!ima.seen) throw new Error(ima.reason)
    expect(ima.value).toMatchObject({ entries: 506, hash: 'sha256', policy: null, policyOpen: false })
    expect(ima.value.measured.get('/usr/lib/systemd/systemd')?.size).toBe(1)
  })

  it('cgroups, and that there are no accelerators', async () => {
    expect(await readCgroup(probes.files)).toMatchObject({ value: { hybrid: false, path: '/sys/fs/cgroup' } })
    expect(await readAccelerators(probes.files)).toEqual({ nodes: [], unseen: null })
  })
})
