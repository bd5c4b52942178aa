import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../../configuration/daemon-file.ts'
import { examineLauncherConfig } from '../../configuration/launcher-file.ts'
import { EVENTS } from '../../daemon/log/event.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

/** The settings of a unit: each with all its values. */
function settings(unit: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const line of read(`packaging/systemd/${unit}`).split('\n')) {
    const [, name, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? []
    if (name !== undefined) found.set(name, [...(found.get(name) ?? []), value ?? ''])
  }
  return found
}

/**
 * What a workload would inherit from the unit of the launcher: seccomp filters, namespaces and mounts, cgroup filters and limits, and what
 * fork(2) and execve(2) keep (systemd.exec(5), systemd.resource-control(5)).
 */
const REACHES_WORKLOADS = [
  /^(SystemCall|Restrict|LockPersonality|MemoryDenyWriteExecute)/,
  /^(Protect|Private|ReadOnly|ReadWrite|Inaccessible|NoExec|ExecPaths|ExecSearchPath)/,
  /^(Bind|TemporaryFileSystem|Root|Mount|ExtensionDirectories|ExtensionImages|ProcSubset|LoadCredential|SetCredential|ImportCredential)/,
  /^(NetworkNamespacePath|IPCNamespacePath|JoinsNamespaceOf|Namespace|UserNamespacePath|LogNamespace)/,
  /^(Device|IP|Socket(Bind)|Memory|Startup|CPU|IO|Allowed|BPFProgram|NFTSet|BlockIO|Slice)/,
  /^(Limit|Nice|NUMA|TimerSlackNSec|Personality|CoredumpFilter|IgnoreSIGPIPE|KeyringMode|RemoveIPC)/,
  /^(SELinuxContext|AppArmorProfile|SmackProcessLabel|SecureBits|UMask|Environment|PassEnvironment|WorkingDirectory|User|Group|SupplementaryGroups|DynamicUser|PAMName)/,
]

describe('the unit of the launcher', () => {
  test('has no setting that would reach a workload', () => {
    const reaching = [...settings('writ-launchd.service').keys()].filter(name =>
      REACHES_WORKLOADS.some(pattern => pattern.test(name)),
    )
    expect(reaching).toEqual([])
  })

  test('gives it every capability with a reason, and its executions no limit of their sum', () => {
    const lines = read('packaging/systemd/writ-launchd.service').split('\n')
    for (const [i, line] of lines.entries())
      if (line.startsWith('CapabilityBoundingSet='))
        expect([line, lines[i - 1]]).toEqual([line, expect.stringMatching(/^# /)])
    const unit = settings('writ-launchd.service')
    expect(unit.get('Delegate')).toEqual(['yes'])
    expect(unit.get('TasksMax')).toEqual(['infinity'])
    expect(unit.get('OOMPolicy')).toEqual(['continue'])
    expect(unit.get('KillMode')).toEqual(['mixed'])
  })
})

describe('the unit of the first boot', () => {
  test('runs only where answers are, after the daemon was left out, and takes itself out when all is done', () => {
    const unit = settings('writ-setup.service')
    expect(unit.get('ConditionPathExists')).toEqual(['/etc/writ/setup.toml'])
    // Before them it would wait for what waits for it.
    expect(unit.get('After')?.join(' ')).toContain('writd.service')
    expect(unit.has('Before')).toBe(false)
    expect(unit.get('ExecStart')).toEqual([
      '/usr/bin/writ setup --stage first-boot --answers /etc/writ/setup.toml',
    ])
    // docs/setup.md has keys below /root.
    expect(unit.get('ProtectHome')).toEqual(['read-only'])
    expect(unit.get('ExecStartPost')?.join()).toContain('disable writ-setup.service')
    expect(unit.get('Type')).toEqual(['oneshot'])
  })
})

describe('the unit of the daemon', () => {
  const unit = settings('writd.service')
  test('has no capability, no network, one device, and V8 may compile', () => {
    expect(unit.get('CapabilityBoundingSet')).toEqual([''])
    expect(unit.get('PrivateNetwork')).toEqual(['yes'])
    expect(unit.get('RestrictAddressFamilies')).toEqual(['AF_UNIX'])
    expect(unit.get('DevicePolicy')).toEqual(['closed'])
    // Its class, not its path: the path of a TPM that is not there yet allows nothing, then or later.
    expect(unit.get('DeviceAllow')).toEqual(['char-tpm rw'])
    expect(unit.get('Wants')?.join(' ')).not.toContain('.device')
    expect(unit.has('MemoryDenyWriteExecute')).toBe(false)
    // Nothing that it holds comes to a disk.
    expect(unit.get('LimitCORE')).toEqual(['0'])
    expect(unit.get('MemorySwapMax')).toEqual(['0'])
    // Callers are known by uid and cgroup, which these would hide.
    for (const name of ['PrivateUsers', 'PrivatePIDs', 'ProtectProc', 'ProcSubset'])
      expect(unit.has(name)).toBe(false)
  })

  test('and its socket start only on a host that is provisioned, and agree with the shipped configuration', () => {
    const socket = settings('writd.socket')
    expect(socket.get('ConditionPathExists')).toEqual(unit.get('ConditionPathExists'))
    const config = parseConfig(readFileSync(join(ROOT, 'packaging/writd.toml')))
    expect(socket.get('ListenStream')).toEqual([config.daemon.socket])
    expect({ group: '0660', owner: '0600', all: '0666' }[config.daemon.socketAccess]).toBe(
      socket.get('SocketMode')?.[0],
    )
    expect(config.tpm.path).toMatch(/^\/dev\/tpmrm\d+$/)
    expect(unit.get('ConditionPathExists')).toContain(
      `${config.daemon.stateDirectory}/identity/identity.json`,
    )
    for (const credential of unit.get('LoadCredential') ?? [])
      expect(unit.get('ConditionPathExists')).toContain(credential.split(':')[1])
    const launchd = readFileSync(join(ROOT, 'packaging/launchd.conf'))
    const { config: launcher } = examineLauncherConfig(launchd, () => ({ uid: 990, gid: 990 }))
    expect(launcher?.writd_user).toBe(unit.get('User')?.[0])
    expect(launcher?.socket).toBe(config.daemon.launcherSocket)
  })
})

describe('kinds of events', () => {
  const launcher = [...read('native/launchd/log.h').matchAll(/EVENT_\w+ "([0-9a-f]{32})"/g)].map(
    ([, id]) => id ?? '',
  )
  const all = [...Object.values(EVENTS), ...launcher].toSorted()

  test('are each in the table of the documentation and in the catalogue, and nothing else is', () => {
    const documented = [...read('docs/journal.md').matchAll(/`([0-9a-f]{32})`/g)].map(([, id]) => id)
    const catalogued = [...read('packaging/catalog/writ.catalog').matchAll(/^-- ([0-9a-f]{32})$/gm)].map(
      ([, id]) => id,
    )
    expect(documented.toSorted()).toEqual(all)
    expect(catalogued.toSorted()).toEqual(all)
    expect(new Set(all).size).toBe(all.length)
  })

  test('are those that the daemon names, each', () => {
    const sources = readdirSync(join(ROOT, 'daemon'), { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.ts') && path !== 'log/event.ts')
      .map(path => read(join('daemon', path)))
      .join('\n')
    // The event of a log object, not the parameter of a listener.
    const named = [...sources.matchAll(/(?<!\()\bevent: '([a-z-]+)'/g)].map(([, name]) => name)
    expect(Object.keys(EVENTS)).toEqual(expect.arrayContaining(named))
    for (const name of Object.keys(EVENTS)) expect(sources, name).toContain(`'${name}'`)
  })
})

/** What knows every setting of the units. */
const SYSTEMD = 257
const found = Number(
  /^systemd ([0-9]+)/.exec(
    spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '',
  )?.[1] ?? 0,
)
describe.skipIf(found < SYSTEMD)(`systemd (needs systemd-analyze of ${SYSTEMD} or newer)`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'writ-units-'))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))

  test('finds nothing wrong, and an exposure of the daemon of at most 1.0', () => {
    cpSync(join(ROOT, 'packaging/systemd'), dir, { recursive: true })
    for (const name of readdirSync(dir)) {
      const path = join(dir, name)
      writeFileSync(path, readFileSync(path, 'utf8').replace(/^ExecStart=\S+/m, 'ExecStart=/bin/true'))
    }
    const files = readdirSync(dir).map(name => join(dir, name))
    expect(
      spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' }),
    ).toMatchObject({ status: 0, stderr: '' })
    const security = [
      'security',
      '--offline=true',
      '--threshold=10',
      '--no-pager',
      join(dir, 'writd.service'),
    ]
    expect(spawnSync('systemd-analyze', security, { encoding: 'utf8' }).status).toBe(0)
  })
})
