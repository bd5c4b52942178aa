import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { api, CallError, WritClient } from '../../proto/client.ts'
import { GovernedHost, NEEDS_ROOT, WRITD } from './governed-host.ts'

/** A daemon whose socket the service manager holds: a real descriptor, a real client, a simulated TPM. */
describe.skipIf(NEEDS_ROOT !== null)('a passed socket', () => {
  let host: GovernedHost
  let programs: string
  beforeAll(async () => {
    programs = mkdtempSync(join(tmpdir(), 'writ-pass-'))
    execFileSync('gcc', [
      '-O1',
      '-o',
      join(programs, 'pass-socket'),
      join(import.meta.dirname, 'pass-socket.c'),
    ])
    host = await GovernedHost.start()
    await host.stopDaemon()
    rmSync(`${host.socket}.lock`, { force: true })
    // As a socket unit makes it: the directory is root's.
    chownSync(host.path('run'), 0, 0)
  }, 120_000)
  afterAll(async () => {
    await host?.close()
    rmSync(programs, { recursive: true, force: true })
  })

  const passing = ({ type = 'stream', count = 1, mode = '660', path = host.socket } = {}) => [
    ...[join(programs, 'pass-socket'), type, String(count), mode, String(WRITD.uid), path],
  ]

  /** Starts a daemon that is to refuse what it is passed, and gives what it says. */
  async function refusal(what: Parameters<typeof passing>[0] = {}): Promise<string> {
    host.daemonLog = ''
    // The socket is there before the daemon is, so its end says more.
    await host.startDaemon({}, passing(what)).catch(() => undefined)
    expect(await host.daemonExit()).toBe(1)
    return host.daemonLog
  }

  test('is what the daemon serves on, and stays when the daemon ends', async () => {
    await host.startDaemon({}, passing({ mode: '666' }))
    await host.attested()
    expect(await host.stopDaemon()).toBe(0)
    expect(statSync(host.socket).isSocket()).toBe(true)
    expect(existsSync(`${host.socket}.lock`)).toBe(false)
  }, 60_000)

  test('a call that waited in its queue from before the host was attested gets its denial', async () => {
    const client = new WritClient(host.socket)
    // The TPM hangs, so nothing is attested however long the daemon has been running.
    host.tpm.hang()
    try {
      const started = host.startDaemon({}, passing())
      await expect
        .poll(() => readFileSync('/proc/net/unix', 'utf8').includes(` ${host.socket}\n`), { timeout: 5000 })
        .toBe(true)
      const denied = client
        .call(api.execution.Authorize, { workload: { program: '/bin/true', argv: ['/bin/true'] } })
        .then(
          () => [],
          error => (error instanceof CallError ? error.reasons.map(({ code }) => code) : [String(error)]),
        )
      await started
      expect(await denied).toContain('ATTESTATION_STALE')
    } finally {
      host.tpm.resume()
      client.close()
      await host.stopDaemon()
    }
  }, 60_000)

  test.each([
    ['two descriptors', { count: 2 }, /one socket is expected/],
    ['a datagram socket', { type: 'dgram' }, /not a stream socket/],
    ['a socket of packets', { type: 'seqpacket' }, /not a stream socket/],
    ['one that does not listen', { type: 'deaf' }, /not listening/],
    ['no socket', { type: 'file' }, /is no socket/],
  ])('%s: refused', async (_, what, why) => {
    expect(await refusal(what)).toMatch(why)
  })

  test('bound elsewhere than the configuration says, or open wider, it is refused', async () => {
    mkdirSync(host.path('elsewhere'))
    expect(await refusal({ path: host.path('elsewhere/writd.sock') })).toMatch(/and daemon\.socket is/)
    // socket_access is "all" here, so 0666 is the most.
    expect(await refusal({ mode: '777' })).toMatch(/allows 666 at most/)
  }, 30_000)

  test('a directory in which others can put another socket is refused', async () => {
    chownSync(host.path('run'), 4711, 0)
    expect(await refusal()).toMatch(/DIRECTORY_UNSAFE/)
    chownSync(host.path('run'), 0, 0)
  })

  test('variables for another process are not ours', async () => {
    chownSync(host.path('run'), WRITD.uid, WRITD.gid)
    rmSync(host.socket, { force: true })
    await host.startDaemon({ LISTEN_PID: '1', LISTEN_FDS: '7' })
    await host.attested()
    expect(await host.stopDaemon()).toBe(0)
  }, 60_000)
})
