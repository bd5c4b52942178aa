import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

describe.skipIf(NEEDS_ROOT !== null)('writ logs on a governed host', () => {
  let host: GovernedHost
  beforeAll(async () => {
    host = await GovernedHost.start()
  }, 120_000)
  afterAll(() => host?.close())

  /** Starts a shell script as an execution, and gives its id. */
  async function start(script: string, uid?: number) {
    const program = ['/bin/sh', '-c', script]
    const artifact = await host.issue(`sh-${Math.random()}`, program)
    const before = new Set(await ids())
    const child = host.spawnWrit(['run', '--quiet', '--artifact', artifact, '--', ...program], uid)
    // Before anything is waited for: a short one may be over by then.
    const closed = new Promise(resolve => child.once('close', resolve))
    let id = ''
    await expect
      .poll(async () => (id = (await ids()).find(other => !before.has(other)) ?? ''), { timeout: 15_000 })
      .not.toBe('')
    return { id, child, closed }
  }
  const ids = async () => {
    const { executions } = JSON.parse(await host.ok('executions', '--all', '--json'))
    return (executions as { executionId: string }[]).map(({ executionId }) => executionId)
  }
  const state = async (id: string) => JSON.parse(await host.ok('executions', id, '--json')).state

  test('gives what a running one has written, follows it to its end, and has it afterwards', async () => {
    const { id, child } = await start('echo begin; echo oops >&2; read line; echo "got $line"')
    await expect.poll(async () => (await host.writ(['logs', id])).stdout, { timeout: 10_000 }).toBe('begin\n')
    expect(await host.writ(['logs', id])).toMatchObject({ code: 0, stdout: 'begin\n', stderr: 'oops\n' })
    expect(await host.writ(['logs', '--stderr', id])).toMatchObject({ stdout: '', stderr: 'oops\n' })
    expect(await host.writ(['logs', '--stdout', id])).toMatchObject({ stdout: 'begin\n', stderr: '' })
    const following = host.writ(['logs', '--follow', id])
    await new Promise(resolve => setTimeout(resolve, 500))
    child.stdin?.end('a line\n')
    expect(await following).toMatchObject({ code: 0, stdout: 'begin\ngot a line\n', stderr: 'oops\n' })
    expect(await state(id)).toBe('ENDED')
    expect(await host.writ(['logs', id])).toMatchObject({ stdout: 'begin\ngot a line\n', stderr: 'oops\n' })
    const lines = (await host.ok('logs', id, '--json'))
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    expect(lines.map(({ stream, data }) => `${stream} ${Buffer.from(data, 'base64')}`)).toEqual([
      'stdout begin\n',
      'stderr oops\n',
      'stdout got a line\n',
    ])
  })

  test('keeps the end of a long output, and says how much is missing', async () => {
    const { id, child, closed } = await start(
      'i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done',
    )
    child.stdout?.resume()
    await closed
    const { stdout, stderr } = await host.writ(['logs', id])
    expect(stdout.endsWith('line 19999\n')).toBe(true)
    const missing = Number(/^writ: (\d+) bytes of stdout are missing here$/m.exec(stderr)?.[1])
    const all = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('')
    expect(stdout).toBe(all.slice(missing))
    expect(stdout.length).toBeGreaterThan(30_000)
    expect(stdout.length).toBeLessThanOrEqual(65_536)
  })

  test('a reader that stops reading slows neither the workload nor its caller', async () => {
    const { id, child } = await start('read go; head -c 50000000 /dev/zero; echo done >&2')
    const reader = host.spawnWrit(['logs', '--follow', id])
    reader.stdout?.pause()
    await new Promise(resolve => setTimeout(resolve, 1500))
    let got = 0
    child.stdout?.on('data', piece => (got += piece.length))
    child.stdin?.end('go\n')
    await new Promise(resolve => child.once('close', resolve))
    expect(got).toBe(50_000_000)
    const rss = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${host.daemonPid}/status`, 'utf8'))?.[1])
    expect(rss).toBeLessThan(400_000)
    reader.kill('SIGKILL')
  })

  test('is for the caller and for auditors alone', async () => {
    const { id, child } = await start('echo secret; read line', 65_001)
    await expect
      .poll(async () => (await host.writ(['logs', id])).stdout, { timeout: 10_000 })
      .toBe('secret\n')
    expect((await host.writ(['logs', id], { uid: 65_001 })).stdout).toBe('secret\n')
    const other = await host.writ(['logs', id], { uid: 65_002 })
    expect({ code: other.code, stdout: other.stdout }).toEqual({ code: 1, stdout: '' })
    child.stdin?.end('\n')
    await new Promise(resolve => child.once('close', resolve))
  })

  test('ends quietly when nobody reads it any longer', async () => {
    const { id, child } = await start('while :; do echo y; sleep 0.05; done')
    const reader = host.spawnWrit(['logs', '--follow', id])
    const closed = new Promise(resolve => reader.once('close', resolve))
    await new Promise(resolve => reader.stdout?.once('data', resolve))
    reader.stdout?.destroy()
    const code = await closed
    expect(code).toBe(0)
    const ended = new Promise(resolve => child.once('close', resolve))
    await host.ok('terminate', id)
    await ended
  })

  test('says so where the configuration keeps none', async () => {
    const path = host.path('writd.toml')
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replace('[execution]\n', '[execution]\noutput_tail_bytes = 0\n'))
    process.kill(host.daemonPid, 'SIGHUP')
    await expect
      .poll(async () => (await host.ok('lineage', 'tail')).includes('execution.output_tail_bytes'), {
        timeout: 10_000,
      })
      .toBe(true)
    const { id, child } = await start('echo gone; read line')
    const { code, stderr } = await host.writ(['logs', id])
    expect({ code, said: stderr.includes('keeps no output') }).toEqual({ code: 1, said: true })
    child.stdin?.end('\n')
    await new Promise(resolve => child.once('close', resolve))
  })
})
