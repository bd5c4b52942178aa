import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it, test } from 'vitest'
import type { Finding } from '../../cli/doctor/area.ts'
import { AREAS, type FindingCode } from '../../cli/doctor/areas/index.ts'
import { diagnose } from '../../cli/doctor/doctor.ts'
import { Host } from '../../cli/doctor/host.ts'
import { findingsPage } from '../../cli/doctor/page.ts'
import { unseen } from '../../cli/probe/index.ts'
import { imaEntry } from '../attestation/ima-log.ts'
import { requireCommands } from './advice-commands.ts'
import { temporaryDirectory, writ } from './cli.ts'
import { CASES, EVENT_LOG, TOML, value } from './damaged-hosts.ts'
import type { FakedHost } from './faked-host.ts'
import { healthyHost, IMA_LOG } from './healthy-host.ts'

const CODES = AREAS.flatMap(({ findings }) => Object.keys(findings)) as FindingCode[]

async function look(host: FakedHost): Promise<readonly Finding[]> {
  return (await diagnose(new Host(host.probes(), TOML))).findings
}

const wrong = (findings: readonly Finding[]) =>
  findings.filter(({ severity }) => severity === 'error' || severity === 'warning')

describe('the doctor', () => {
  it('finds nothing on a healthy host, and has looked at all of it', async () => {
    const findings = await look(await healthyHost())
    expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([])
    expect(findings.map(({ code }) => code)).toEqual(CODES)
  })

  test.each(CASES.map(([code, make, ...more]) => ({ code, make, more })))(
    'finds $code, and what follows from it alone',
    async ({ code, make, more }) => {
      const host = await healthyHost()
      await make(host)
      const found = wrong(await look(host))
      expect([...new Set(found.map(finding => finding.code))].sort()).toEqual([code, ...more].sort())
      for (const { what, why, todo } of found) {
        expect(what).not.toBe('')
        expect(why).toMatch(/\.$/)
        expect(todo).not.toBe('')
        requireCommands(todo ?? '')
      }
    },
  )

  it('takes a link for what it leads to where the daemon does', async () => {
    const host = await healthyHost()
    for (const name of ['writd.toml', 'operator.pub', 'trust.json']) {
      const file = host.files.get(`/etc/writ/${name}`)
      if (file === undefined) throw new Error(name)
      host.put(`/srv/${name}`, file)
      host.put(`/etc/writ/${name}`, { link: `/srv/${name}` })
    }
    expect(wrong(await look(host))).toEqual([])
    host.change('/srv/trust.json', { mode: 0o666 })
    const found = wrong(await look(host)).filter(({ code }) => code === 'FILE_WRITABLE')
    expect(found).toMatchObject([{ where: '/etc/writ/trust.json' }])
    // The launcher takes none for its own.
    host.put('/srv/launchd.conf', host.files.get('/etc/writ/launchd.conf') ?? '')
    host.put('/etc/writ/launchd.conf', { link: '/srv/launchd.conf' })
    expect(wrong(await look(host)).map(({ code }) => code)).toContain('FILE_LINK')
  })

  test('each of its findings is found somewhere', () => {
    expect(CASES.map(([code]) => code).sort()).toEqual([...CODES].sort())
    expect(new Set(CODES).size).toBe(CODES.length)
  })

  test('every command that it names exists, with its options', () => {
    const advice = AREAS.flatMap(({ findings }) => Object.values(findings).map(({ todo }) => todo))
    const commands = advice.map(requireCommands).reduce((sum, count) => sum + count, 0)
    expect(commands).toBeGreaterThan(60)
    expect(() => requireCommands('`writ key mend`, `frobnicate`')).toThrow()
    expect(() => requireCommands('`writ init --owner-auth NAME`')).toThrow()
  })

  it('calls the rules of a policy good only where that is the one that was loaded', async () => {
    const said = async (damage: (host: FakedHost) => unknown) => {
      const host = await healthyHost()
      damage(host)
      const findings = await look(host)
      return findings.find(({ code }) => code === 'IMA_POLICY_BLIND')?.severity
    }
    expect(await said(() => undefined)).toBe('ok')
    const policy = readFileSync('packaging/ima/ima-policy', 'utf8')
    expect(await said(host => host.put('/etc/ima/ima-policy', `# Ours.\n${policy}`))).toBe('not checked')
    expect(await said(host => host.put(IMA_LOG, imaEntry({ path: 'boot_aggregate' })))).toBe('not checked')
    expect(await said(host => host.change(IMA_LOG, { denied: true }))).toBe('not checked')
    expect(await said(host => host.put('/etc/ima/ima-policy', 'measure func=KEXEC_CMDLINE\n'))).toBe('error')
  })

  it('says what it could not look at without root, and claims nothing of it', async () => {
    const host = await healthyHost()
    host.euid = 1000
    host.tpm = unseen('denied', 'permission denied', 'EACCES')
    host.features = value(host.features, { deviceFilter: null })
    for (const path of [EVENT_LOG, IMA_LOG, '/etc/writ/credentials', '/var/lib/writ/lineage/state/anchor'])
      host.change(path, { denied: true })
    const findings = await look(host)
    expect(wrong(findings)).toEqual([])
    const not = findings.filter(({ severity }) => severity === 'not checked').map(({ code }) => code)
    for (const code of [
      'TPM_NO_SHA256',
      'COUNTER_WORN',
      'EVENT_LOG_MALFORMED',
      'IMA_HASH',
      'DEVICE_FILTER',
      'SECRETS_EXPOSED',
      'DAEMON_OUTDATED',
    ])
      expect(not).toContain(code)
  })

  it('does not stumble over a host on which there is nothing', async () => {
    const host = await healthyHost()
    host.files.clear()
    host.units.clear()
    for (const facts of ['tpm', 'features', 'clock', 'status'] as const)
      host[facts] = unseen('failed', 'none')
    const { errors, findings } = await diagnose(new Host(host.probes(), TOML))
    expect(errors).toBeGreaterThan(5)
    expect(new Set(findings.map(({ code }) => code))).toEqual(new Set(CODES))
  })
})

test('docs/doctor.md is what the areas say; `npm run manual` makes it anew', () => {
  expect(readFileSync('docs/doctor.md', 'utf8')).toBe(findingsPage(AREAS))
})

describe('writ doctor', () => {
  const dir = temporaryDirectory()
  afterAll(() => dir.remove())
  const none = [
    '--config',
    dir.in('none.toml'),
    '--socket',
    dir.in('none.sock'),
    '--tpm',
    `swtpm:${dir.in('none')}`,
  ]

  it('says what is wrong, why, and what to do, and ends with 1', async () => {
    const { status, stdout, stderr } = await writ([
      'doctor',
      '--area',
      'daemon',
      '--area',
      'configuration',
      ...none,
    ])
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(stdout).toContain('error DAEMON_DOWN\n')
    expect(stdout).toContain(`${dir.in('none.toml')}: there is no such file`)
    expect(stdout).toContain('→ `systemctl status writd writ-launchd`')
    expect(stdout).not.toContain('TPM_MISSING')
    expect(stdout).toMatch(/\n3 errors, 0 warnings, \d+ not checked\n$/)
  })

  it('ends with 0 where no error is, and says with --all what is good', async () => {
    const { status, stdout } = await writ(['doctor', '--area', 'accelerators', '--all', ...none])
    expect(status).toBe(0)
    expect(stdout).toContain('ok ACCELERATOR_OPEN')
  })

  it('refuses an area that there is not', async () => {
    const { status, stderr } = await writ(['doctor', '--area', 'moon'])
    expect(status).toBe(2)
    expect(stderr).toContain('there is no area "moon"')
  })
})
