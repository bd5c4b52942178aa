import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Findings } from '../../cli/config/findings.ts'
import { checkPassed } from '../../cli/config/host-paths.ts'
import { passedSocket } from '../../cli/config/socket-unit.ts'
import { liveFiles } from '../../cli/probe/index.ts'
import { WRIT } from './cli.ts'

let dir: string
let places: string[]
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'writ-unit-'))
  places = ['etc', 'usr'].map(name => join(dir, name))
  for (const place of places) mkdirSync(join(place, 'writd.socket.d'), { recursive: true })
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const put = (path: string, ...lines: string[]) =>
  writeFileSync(join(dir, path), `[Socket]\n${lines.join('\n')}\n`)
const mode = async (socket: string) => (await passedSocket(liveFiles(''), socket, places))?.mode

describe('the socket that the service manager passes', () => {
  test('is none without the unit, nor where the unit listens elsewhere', async () => {
    expect(await mode('/run/none/w.sock')).toBeUndefined()
    put('usr/writd.socket', 'ListenStream=/run/other', 'SocketMode=0660')
    expect(await mode('/run/none/w.sock')).toBeUndefined()
    put('etc/writd.socket.d/a.conf', 'ListenStream=', 'ListenStream=/run/none/w.sock')
    expect(await mode('/run/none/w.sock')).toBe(0o660)
    expect(await mode('/run/other')).toBeUndefined()
  })

  test('has the mode that the unit and what is added to it say last', async () => {
    put('usr/writd.socket', 'ListenStream=/run/none/w.sock', '#SocketMode=0600')
    expect(await mode('/run/none/w.sock')).toBe(0o666)
    put('usr/writd.socket.d/b.conf', 'SocketMode=0600')
    put('etc/writd.socket.d/a.conf', 'SocketMode=0660')
    expect(await mode('/run/none/w.sock')).toBe(0o600)
    put('etc/writd.socket.d/b.conf', ' SocketMode = 0640')
    expect(await mode('/run/none/w.sock')).toBe(0o640)
    put('etc/writd.socket', 'ListenStream=/run/none/w.sock', 'SocketMode=0600')
    rmSync(join(dir, 'etc/writd.socket.d'), { recursive: true })
    rmSync(join(dir, 'usr/writd.socket.d'), { recursive: true })
    expect(await mode('/run/none/w.sock')).toBe(0o600)
  })

  test('has its own mode where it is open', async () => {
    const socket = join(dir, 'w.sock')
    put('usr/writd.socket', `ListenStream=${socket}`, 'SocketMode=0600')
    const before = process.umask(0o117)
    const server = createServer()
    await new Promise<void>(done => server.listen(socket, done))
    process.umask(before)
    try {
      expect(await passedSocket(liveFiles(''), socket, places)).toEqual({ mode: 0o660, from: socket })
    } finally {
      await new Promise(done => server.close(done))
    }
  })

  test.each([
    ['owner', 0o600, []],
    ['owner', 0o660, ['error']],
    ['group', 0o660, []],
    ['group', 0o666, ['error']],
    ['group', 0o600, ['warning']],
    ['all', 0o666, []],
    ['all', 0o660, ['warning']],
  ] as const)('with socket_access "%s" and mode %i', (access, bits, severities) => {
    const findings = new Findings('writd.toml', () => 7)
    checkPassed({ mode: bits, from: 'writd.socket' }, access, findings)
    expect(findings.list.map(({ severity }) => severity)).toEqual(severities)
    for (const { key, message } of findings.list) {
      expect(key).toBe('daemon.socket_access')
      expect(message).toContain(`SocketMode=${{ owner: '0600', group: '0660', all: '0666' }[access]}`)
    }
  })
})

const UNITS = '/etc/systemd/system'
describe.skipIf(process.getuid?.() !== 0 || !existsSync(UNITS))(
  `writ config check (needs root, and ${UNITS}: a mount namespace)`,
  () => {
    test('looks at the unit that is installed', () => {
      put('etc/writd.socket', 'ListenStream=/run/none/w.sock', 'SocketMode=0660')
      const file = join(dir, 'writd.toml')
      const severities = ['owner', 'group', 'all'].map(access => {
        writeFileSync(file, `[daemon]\nsocket = "/run/none/w.sock"\nsocket_access = "${access}"\n`, {
          mode: 0o600,
        })
        const mounted = ['--mount', 'sh', '-c', `mount --bind "$0" ${UNITS} && exec "$@"`, join(dir, 'etc')]
        const check = [WRIT, 'config', 'check', file, '--json']
        const { stdout } = spawnSync('unshare', [...mounted, ...check], { encoding: 'utf8' })
        const { findings } = JSON.parse(stdout) as {
          findings: { key: string; line: number; severity: string }[]
        }
        return findings
          .filter(({ key }) => key === 'daemon.socket_access')
          .map(({ line, severity }) => `${line} ${severity}`)
      })
      expect(severities).toEqual([['3 error'], [], ['3 warning']])
    })
  },
)
