import { describe, expect, test } from 'vitest'
import type { FindingCode } from '../../cli/doctor/areas/index.ts'
import { diagnose } from '../../cli/doctor/doctor.ts'
import { Host } from '../../cli/doctor/host.ts'
import { seen, unseen } from '../../cli/probe/index.ts'
import { CASES as DAMAGED, TOML } from './damaged-hosts.ts'
import type { FakedHost } from './faked-host.ts'
import { healthyHost, IMA_LOG, SETUP_MODE, STATUS, UNIT } from './healthy-host.ts'

const deny = (path: string) => (host: FakedHost) => host.put(path, { ...host.files.get(path), denied: true })

/** What cannot be seen of a healthy host, and what nobody can say then. */
const CASES: readonly (readonly [string, (host: FakedHost) => unknown, ...FindingCode[]])[] = [
  ['the processes', deny('/proc'), 'TPM_HELD', 'DAEMON_OUTDATED', 'LAUNCHER_OUTDATED'],
  [
    'an identity that does not name its key',
    host => host.change('/var/lib/writ/identity/identity.json', { content: '{"version":1,"akHandle":' }),
    'TPM_IDENTITY_GONE',
  ],
  [
    'a counter in the anchor',
    host => host.change('/var/lib/writ/lineage/state/anchor', { content: '{"done":true}' }),
    'COUNTER_WORN',
  ],
  ['the mode of Secure Boot', deny(SETUP_MODE), 'SECURE_BOOT_SETUP'],
  ['an entry of IMA', host => host.put(IMA_LOG, Buffer.alloc(0)), 'IMA_HASH'],
  ["the door of IMA's policy", deny('/sys/kernel/security/ima/policy'), 'IMA_POLICY_OPEN'],
  ['a limit of namespaces', host => host.files.delete('/proc/sys/user/max_pid_namespaces'), 'NAMESPACES_OFF'],
  ['the numbers of executions', deny('/etc/writ/launchd.conf'), 'USER_IS_ROOT', 'EXECUTION_UIDS_TAKEN'],
  ['a directory of secrets', deny('/etc/writ/credentials'), 'FILE_LINK', 'SECRETS_EXPOSED'],
  ['what may be a key', deny('/etc/writ/site.pem'), 'PRIVATE_KEY_HERE'],
  ['a file that is named', deny('/etc/writ/vendor-root.pem'), 'CONFIG_FILE_MISSING'],
  ['the configuration', deny(TOML), 'CONFIG_MISSING', 'CONFIG_WRONG', 'SOCKET_FOR_ALL'],
  [
    'what systemd says of the socket',
    host => host.units.set('writd.socket', unseen('failed', 'no answer')),
    'SOCKET_ELSEWHERE',
  ],
  [
    'a configuration that is not TOML',
    host => host.put(TOML, '[['),
    'TPM_SIMULATED',
    'RECOVERY_AUTO',
    'SOCKET_FOR_ALL',
    'SOCKET_ELSEWHERE',
    'COUNTER_WORN',
    'EVIDENCE_BOUND',
  ],
  [
    'an addition to the unit of a socket',
    host => {
      for (const unit of ['writd.socket', 'writd-metrics.socket'])
        host.put(`/etc/systemd/system/${unit}.d/a.conf`, { denied: true })
    },
    'SOCKET_ELSEWHERE',
    'METRICS_OFF',
  ],
  ['the users', deny('/etc/passwd'), 'USER_MISSING', 'USER_IS_ROOT', 'TPM_NO_ACCESS', 'CONFIG_WRONG'],
  ['the certificate of a maker', deny('/etc/writ/vendor-root.pem'), 'EK_UNVERIFIED'],
  [
    'what a module of NVIDIA was told',
    host => host.put('/proc/driver/nvidia/params', { denied: true }),
    'ACCELERATOR_OPEN',
  ],
  [
    'the tier of the TPM, and a policy',
    host => {
      host.status = seen({ ...STATUS, tier: 'TPM_TIER_UNSPECIFIED', policy: null })
    },
    'TIER_UNKNOWN',
    'POLICY_ENDS',
  ],
  [
    'whether the daemon runs',
    host => host.units.set('writd.service', unseen('failed', 'no answer')),
    'DAEMON_UNCONFINED',
  ],
  [
    'what confines a daemon that is stopped',
    host => host.units.set('writd.service', seen({ ...UNIT, active: 'inactive', mainPid: 0 })),
    'DAEMON_UNCONFINED',
  ],
  [
    'what confines a process',
    host => host.files.delete('/proc/700/attr/apparmor/current'),
    'DAEMON_UNCONFINED',
  ],
  [
    'what confines a process of which the kernel says nothing',
    host => host.put('/proc/700/attr/apparmor/current', ''),
    'DAEMON_UNCONFINED',
  ],
  ['the socket of metrics', deny('/run/writ/metrics.sock'), 'METRICS_OFF'],
  [
    'the end of trust roots of a daemon that does not tell it',
    host => {
      host.status = seen({ ...STATUS, trustRoots: null })
    },
    'TRUST_ENDS',
    'TRUST_INVALID',
  ],
  [
    'whether a host without trust roots makes artifacts itself',
    host => {
      host.status = seen({ ...STATUS, trustRoots: null, trustRootsDigest: '' })
      deny(TOML)(host)
    },
    'TRUST_ENDS',
    'TRUST_INVALID',
  ],
  [
    'trust roots of a daemon that is down, by a file that is good',
    host => {
      host.status = unseen('missing', 'there is no such socket', 'DAEMON_UNREACHABLE')
    },
    'TRUST_ENDS',
    'TRUST_INVALID',
  ],
  [
    'trust roots of a daemon that is down, by a file that is none',
    host => {
      host.status = unseen('missing', 'there is no such socket', 'DAEMON_UNREACHABLE')
      host.put('/etc/writ/trust.json', '{')
    },
    'TRUST_ENDS',
    'TRUST_INVALID',
  ],
  ['the code that is installed', deny('/usr/lib/writ/writd'), 'COMPONENT_UNLISTED'],
  [
    'how much evidence there is',
    host => {
      host.status = seen({ ...STATUS, evidence: null })
    },
    'EVIDENCE_NEAR_BOUND',
    'EVIDENCE_OVER_BOUND',
  ],
]

const DENIED = unseen('denied', 'permission denied', 'EACCES')

/** Does that to a host, and hides whatever it was done to. */
async function hidden(make: (host: FakedHost) => unknown): Promise<FakedHost> {
  const host = await healthyHost()
  const { tpm, features, clock, space, status } = host
  const files = new Map(host.files)
  const units = new Map(host.units)
  await make(host)
  for (const path of new Set([...files.keys(), ...host.files.keys()]))
    if (host.files.get(path) !== files.get(path)) deny(path)(host)
  for (const [name, unit] of units) if (host.units.get(name) !== unit) host.units.set(name, DENIED)
  if (host.tpm !== tpm) host.tpm = DENIED
  if (host.features !== features) host.features = DENIED
  if (host.clock !== clock) host.clock = DENIED
  if (host.status !== status) host.status = DENIED
  if (host.space !== space) deny('/var/lib/writ')(host)
  return host
}

describe('the doctor calls good nothing that it could not see', () => {
  test.each(DAMAGED.map(([code, make]) => ({ code, make })))(
    '$code, where all that it is found by is hidden, is not checked',
    async ({ code, make }) => {
      const host = await hidden(make)
      const { findings } = await diagnose(new Host(host.probes(), TOML))
      const severities = findings.filter(finding => finding.code === code).map(({ severity }) => severity)
      // What is called a key, and may not be read, is one for all that can be seen.
      expect(severities).toEqual([code === 'PRIVATE_KEY_HERE' ? 'warning' : 'not checked'])
    },
  )

  test.each(CASES.map(([what, make, ...codes]) => ({ what, make, codes })))(
    '$what',
    async ({ make, codes }) => {
      const host = await healthyHost()
      make(host)
      const { findings } = await diagnose(new Host(host.probes(), TOML))
      const good = findings.filter(({ severity }) => severity === 'ok').map(({ code }) => code)
      expect(codes.filter(code => good.includes(code))).toEqual([])
      const not = findings.filter(({ severity }) => severity === 'not checked')
      for (const { what } of not) expect(what).not.toBe('there is no configuration')
    },
  )

  test.each<[string, Partial<typeof UNIT>, string]>([
    ['a unit that is none', { load: 'bad-setting', active: 'inactive' }, 'bad-setting'],
    ['nothing of what is asked for', { load: '', active: '' }, 'says'],
  ])('systemd that says %s of the socket of metrics', async (_, facts, said) => {
    const host = await healthyHost()
    host.units.set('writd-metrics.socket', seen({ ...UNIT, ...facts }))
    host.units.set('writd.service', seen({ ...UNIT, active: 'inactive' }))
    const { findings } = await diagnose(new Host(host.probes(), TOML))
    const found = findings.filter(({ code }) => code === 'METRICS_OFF')
    expect(found).toMatchObject([{ severity: 'warning', what: expect.stringContaining(said) }])
  })

  test('a socket of metrics that somebody has removed is none', async () => {
    const host = await healthyHost()
    host.files.delete('/run/writ/metrics.sock')
    const { findings } = await diagnose(new Host(host.probes(), TOML))
    expect(findings.find(({ code }) => code === 'METRICS_OFF')).toMatchObject({ severity: 'warning' })
  })

  test('a configuration whose user nobody can look up is not said to be missing or wrong', async () => {
    const host = await healthyHost()
    host.files.delete('/etc/group')
    const { findings } = await diagnose(new Host(host.probes(), TOML))
    const said = findings.filter(({ severity }) => severity === 'error' || severity === 'warning')
    expect(said).toEqual([])
    expect(findings.find(({ code }) => code === 'CONFIG_WRONG')?.severity).toBe('not checked')
  })

  test('somebody whose own group may open an accelerator shares it', async () => {
    const host = await healthyHost()
    host.put('/dev/kfd', { kind: 'character-device', mode: 0o660, gid: 1000 })
    host.put('/etc/group', `${host.files.get('/etc/group')?.content}alice:x:1000:\n`)
    const { findings } = await diagnose(new Host(host.probes(), TOML))
    expect(findings.find(({ code }) => code === 'ACCELERATOR_SHARED')).toMatchObject({
      severity: 'warning',
      what: expect.stringContaining('alice'),
    })
  })

  test('a private key that a run left half made is found', async () => {
    const host = await healthyHost()
    host.put('/etc/writ/operator.key.0123456789ab.new', '-----BEGIN PRIVATE KEY-----')
    const { findings } = await diagnose(new Host(host.probes(), TOML))
    expect(findings.find(({ code }) => code === 'PRIVATE_KEY_HERE')).toMatchObject({ severity: 'warning' })
  })
})
