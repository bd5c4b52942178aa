import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { WritClient } from '../../proto/client.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const TERMINAL = 'STREAM_MODE_TERMINAL'

/** Bytes that are different everywhere. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE((i * 2654435761) >>> 0, i)
  return bytes
}

describe.skipIf(NEEDS_ROOT !== null)('callers, over planned restarts of the daemon', () => {
  let host: GovernedHost
  beforeAll(async () => {
    host = await GovernedHost.start({
      config: { attestation: 'cycle_seconds = 1\nmax_evidence_age_seconds = 40' },
    })
  }, 120_000)
  afterAll(() => host?.close())

  /** As `systemctl restart` does it, up to the next start. */
  async function stopForRestart(): Promise<void> {
    process.kill(host.daemonPid, 'SIGUSR2')
    expect(await host.stopDaemon()).toBe(0)
  }

  async function restart(): Promise<void> {
    await stopForRestart()
    await host.startDaemon()
    await host.attested()
  }

  async function run(
    script: string,
    options: string[] = [],
  ): Promise<{ child: ChildProcess; said: () => string }> {
    const argv = ['/bin/sh', '-c', script]
    const path = await host.issue(`run-${digest(Buffer.from(script)).slice(0, 8)}`, argv)
    const child = host.spawnWrit(['run', '--artifact', path, ...options, '--', ...argv])
    onTestFinished(() => void child.kill('SIGKILL'))
    let said = ''
    child.stderr?.on('data', piece => (said += piece))
    child.stdin?.on('error', () => undefined)
    return { child, said: () => said }
  }

  const running = (word: string, said: () => string) => expect.poll(said, { timeout: 20_000 }).toContain(word)
  const status = async (child: ChildProcess) => (await once(child, 'close'))[0]

  test('writ run carries megabytes both ways through three of them, and ends as its program does', async () => {
    const size = 16_000_000
    const all = pattern(size)
    const { child, said } = await run(`echo runs >&2; head -c ${size} | dd bs=20000 status=none; exit 7`)
    const out = buffer(child.stdout as NodeJS.ReadableStream)
    const ended = status(child)
    await running('runs', said)
    // Between the pieces a restart each: some input is always on its way.
    for (let at = 0, next = 0; at < size; at += 500_000) {
      child.stdin?.write(all.subarray(at, at + 500_000))
      await sleep(5)
      if (at >= next) {
        next += 5_000_000
        await restart()
      }
    }
    child.stdin?.end()
    expect(await ended, said() + host.daemonLog).toBe(7)
    expect(digest(await out)).toBe(digest(all))
    expect(said()).toBe('runs\n')
  }, 120_000)

  test('a signal that comes while there is no daemon reaches the program afterwards', async () => {
    const { child, said } = await run(
      'trap "echo hup >&2" HUP; trap "echo term >&2; exit 3" TERM; echo runs >&2; while :; do sleep 0.05; done',
    )
    const ended = status(child)
    await running('runs', said)
    await stopForRestart()
    child.kill('SIGHUP')
    child.kill('SIGTERM')
    await sleep(300)
    expect(child.exitCode).toBe(null)
    await host.startDaemon()
    expect(await ended).toBe(3)
    expect(said()).toContain('term')
  }, 60_000)

  test('what ends while there is no daemon is told of: its last output, and its exit status', async () => {
    const { child, said } = await run('echo runs >&2; sleep 1; echo last; exit 9')
    const out = buffer(child.stdout as NodeJS.ReadableStream)
    const ended = status(child)
    await running('runs', said)
    await stopForRestart()
    await sleep(1100)
    await host.startDaemon()
    expect(await ended).toBe(9)
    expect(String(await out)).toBe('last\n')
  }, 60_000)

  test('a terminal goes on, with the size that it has by then', async () => {
    const client = new WritClient(host.socket)
    onTestFinished(() => client.close())
    const argv = ['/bin/sh', '-c', 'stty -echo; echo runs; while read line; do echo "$line"; stty size; done']
    const path = await host.issue('terminal', argv, ['--terminal'])
    let rows = 30
    const call = client.executeCall(
      {
        artifact: readFileSync(path),
        workload: {
          program: '/bin/sh',
          argv,
          stdio: { stdin: TERMINAL, stdout: TERMINAL, stderr: TERMINAL },
        },
        terminalSize: { rows, columns: 90 },
      },
      { reattach: { terminalSize: () => ({ rows, columns: 90 }) } },
    )
    let shown = ''
    let ended: unknown = null
    const followed = (async () => {
      for await (const answer of call.answers) {
        shown += answer.stdout ?? ''
        if (answer.message === 'ended') ended = answer.ended
      }
    })()
    followed.catch(() => undefined)
    await expect.poll(() => shown, { timeout: 20_000 }).toContain('runs')
    await call.stdin(Buffer.from('one\n'))
    await expect.poll(() => shown).toMatch(/one\s+30 90/)
    rows = 40
    await restart()
    await call.stdin(Buffer.from('two\n'))
    await expect.poll(() => shown, { timeout: 20_000 }).toMatch(/two\s+40 90/)
    expect(shown.match(/one/g)).toHaveLength(1)
    await call.stdin(Buffer.from([4]))
    await followed
    expect(ended).toMatchObject({ cause: 'END_CAUSE_EXIT', exitCode: 0 })
  }, 60_000)
})

describe.skipIf(NEEDS_ROOT !== null)(
  'a caller, over a crash that the configuration keeps what runs over',
  () => {
    let host: GovernedHost
    beforeAll(async () => {
      host = await GovernedHost.start({
        config: {
          attestation: 'cycle_seconds = 1\nmax_evidence_age_seconds = 40',
          execution: 'on_crash = "keep"',
        },
      })
    }, 120_000)
    afterAll(() => host?.close())

    test('writ run goes on, and says that output may be missing', async () => {
      const argv = [
        '/bin/sh',
        '-c',
        'echo runs >&2; trap "echo bye; exit 5" TERM; while :; do sleep 0.05; done',
      ]
      const path = await host.issue('crash', argv)
      const child = host.spawnWrit(['run', '--artifact', path, '--', ...argv])
      onTestFinished(() => void child.kill('SIGKILL'))
      let said = ''
      child.stderr?.on('data', piece => (said += piece))
      const out = buffer(child.stdout as NodeJS.ReadableStream)
      const ended = once(child, 'close')
      await expect.poll(() => said, { timeout: 20_000 }).toContain('runs')
      await sleep(300)
      await host.stopDaemon('SIGKILL')
      child.kill('SIGTERM')
      await host.startDaemon()
      expect((await ended)[0], said).toBe(5)
      expect(String(await out)).toBe('bye\n')
      expect(said).toContain('output may have been lost')
    }, 60_000)
  },
)
