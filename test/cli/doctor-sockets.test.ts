import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import type { Finding } from '../../cli/doctor/area.ts'
import { diagnose } from '../../cli/doctor/doctor.ts'
import { Host } from '../../cli/doctor/host.ts'
import { seen } from '../../cli/probe/index.ts'
import { temporaryDirectory, WRIT, writ } from './cli.ts'
import type { FakedHost } from './faked-host.ts'
import { healthyHost, UNIT } from './healthy-host.ts'

const METRICS = 'writd-metrics.socket'

/** What is said of the units after something was done to a healthy host. */
async function found(change: (host: FakedHost) => unknown): Promise<string[]> {
  const host = await healthyHost()
  change(host)
  const { findings } = await diagnose(new Host(host.probes(), '/etc/writ/writd.toml'))
  return findings
    .filter(({ severity }) => severity === 'error' || severity === 'warning')
    .map(({ code, where, what, todo }) => `${code} ${where}: ${what}. ${todo}`)
}

const addition = (host: FakedHost, unit: string, text: string): void => {
  const path = `/etc/systemd/system/${unit}.d/override.conf`
  host.put(path, `[Socket]\n${text}\n`)
  host.units.set(unit, seen({ ...UNIT, dropIns: [path] }))
}

describe('the socket of metrics', () => {
  test.each<[string, (host: FakedHost) => unknown, RegExp]>([
    [
      'missing',
      host => host.units.set(METRICS, seen({ ...UNIT, load: 'not-found', path: '' })),
      /--reinstall/,
    ],
    ['masked', host => host.units.set(METRICS, seen({ ...UNIT, load: 'masked' })), /unmask writd-metrics/],
    [
      'failed',
      host => host.units.set(METRICS, seen({ ...UNIT, active: 'failed', result: 'resources' })),
      /resources/,
    ],
    [
      'closed',
      host => host.units.set(METRICS, seen({ ...UNIT, active: 'inactive' })),
      /is inactive, and the daemon runs/,
    ],
    [
      'for everybody',
      host => host.change('/run/writ/metrics.sock', { mode: 0o666 }),
      /mode 0666, at most 0660/,
    ],
    [
      'on the network',
      host => addition(host, METRICS, 'ListenStream=\nListenStream=192.0.2.1:9464'),
      /192\.0\.2\.1/,
    ],
    ['on all addresses', host => addition(host, METRICS, 'ListenStream=9464'), /ListenStream=9464/],
  ])('%s is said, once, with what to do', async (_, change, said) => {
    expect(await found(change)).toEqual([expect.stringMatching(/^METRICS_OFF /)])
    expect((await found(change)).join()).toMatch(said)
  })

  test.each(['127.0.0.1:9464', '[::1]:9464', '/run/writ-metrics/metrics.sock'])(
    'moved to %s, as docs/operations says, is right',
    async address => {
      const moved = (host: FakedHost) => {
        addition(host, METRICS, `ListenStream=\nListenStream=${address}`)
        if (address.startsWith('/')) host.put(address, { kind: 'socket', mode: 0o660 })
      }
      expect(await found(moved)).toEqual([])
    },
  )

  test('stays closed where the daemon is stopped', async () => {
    const codes = await found(host => {
      for (const unit of [METRICS, 'writd.service'])
        host.units.set(unit, seen({ ...UNIT, active: 'inactive' }))
    })
    expect(codes).toEqual([])
  })
})

test('what else a unit of a socket is changed in is said', async () => {
  expect(await found(host => addition(host, METRICS, 'SocketUser=nobody'))).toEqual([
    expect.stringMatching(/^UNIT_CHANGED writd-metrics.socket: .*override.conf adds to it/),
  ])
  expect(await found(host => addition(host, 'writd.socket', 'SocketMode=0600'))).toEqual([])
})

test('the socket of the unit and of the configuration are compared as the unit says last', async () => {
  const moved = 'ListenStream=\nListenStream=/run/other/writd.sock'
  expect(await found(host => addition(host, 'writd.socket', moved))).toEqual([
    expect.stringContaining('ListenStream=/run/other/writd.sock, daemon.socket = "/run/writ/writd.sock"'),
  ])
})

describe('writ doctor', () => {
  const dir = temporaryDirectory()
  afterAll(() => dir.remove())

  test('asks the daemon where the configuration says that it is, unless it is told otherwise', async () => {
    writeFileSync(dir.in('writd.toml'), `[daemon]\nsocket = ${JSON.stringify(dir.in('own.sock'))}\n`)
    const down = async (env: Record<string, string>, ...more: string[]) => {
      const doctor = ['doctor', '--area', 'daemon', '--config', dir.in('writd.toml'), '--tpm', 'swtpm:/none']
      const { stdout } = await writ([...doctor, '--json', ...more], { env })
      const { findings } = JSON.parse(stdout) as { findings: { code: string; where: string | null }[] }
      return findings.find(({ code }) => code === 'DAEMON_DOWN')?.where
    }
    expect(await down({})).toBe(dir.in('own.sock'))
    expect(await down({ WRIT_SOCKET: dir.in('said.sock') })).toBe(dir.in('said.sock'))
    expect(await down({}, '--socket', dir.in('told.sock'))).toBe(dir.in('told.sock'))
  })

  test('says of a socket that nobody answers at that the daemon is down; of one that it may not use, nothing', async () => {
    const socket = dir.in('silent.sock')
    const server = createServer(connection => connection.on('error', () => {}).resume())
    await new Promise<void>(done => server.listen(socket, done))
    const config = dir.in('silent.toml')
    writeFileSync(config, `[daemon]\nsocket = ${JSON.stringify(socket)}\n`)
    const doctor = ['doctor', '--area', 'daemon', '--config', config, '--tpm', 'swtpm:/none', '--json']
    const severity = (stdout: string) =>
      (JSON.parse(stdout) as { findings: Finding[] }).findings.find(({ code }) => code === 'DAEMON_DOWN')
        ?.severity
    try {
      expect(severity((await writ(doctor)).stdout)).toBe('error')
      if (process.getuid?.() !== 0) return
      const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', WRIT]
      const { stdout } = await promisify(execFile)('setpriv', [...nobody, ...doctor, '--socket', socket])
      expect(severity(stdout)).toBe('not checked')
    } finally {
      await new Promise(done => server.close(done))
    }
  })
})
