import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exportAndVerify, processesWith } from './audit.ts'
import { type GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { RestartedDaemon, SLOW } from './restarted-daemon.ts'

describe.skipIf(NEEDS_ROOT !== null)('what runs, over a restart of the daemon', () => {
  let daemon: RestartedDaemon
  let host: GovernedHost
  beforeAll(async () => {
    daemon = await RestartedDaemon.make()
    host = daemon.host
  }, 120_000)
  afterAll(() => daemon?.close())

  test('goes on with the same process and where its streams were, twice', async () => {
    const it = await daemon.execute(
      'n=0; while read line; do n=$((n+1)); echo "$n $line"; done; echo end; exit 7',
    )
    it.call.send('one\n')
    await expect.poll(() => String(it.call.output)).toBe('1 one\n')
    await daemon.restart()
    expect(await it.call.over).toBe(null)
    expect(it.call.answers.at(-1)).toMatchObject({ handedOver: { stdinBytes: '4' } })
    const second = daemon.attach(it)
    await expect
      .poll(() => second.first('attached') ?? second.error, SLOW)
      .toMatchObject({
        stdinBytes: '4',
        outputBytes: '6',
      })
    second.send('two\n')
    await expect.poll(() => String(second.output)).toBe('2 two\n')
    await daemon.restart()
    const third = daemon.attach(it)
    third.send('three\n')
    third.endInput()
    await expect
      .poll(() => third.first('ended') ?? third.error, SLOW)
      .toMatchObject({ exitCode: 7, cause: 'END_CAUSE_EXIT' })
    expect(String(third.output)).toBe('3 three\nend\n')
  }, 120_000)

  test('goes on over a second restart that comes before the evidence for the first', async () => {
    const it = await daemon.execute('sleep 1003')
    const before = (await daemon.entries('adoption')).length
    await daemon.stopForRestart()
    await host.startDaemon()
    await daemon.stopForRestart()
    expect(processesWith(it.marker)).toEqual([it.pid])
    await daemon.next()
    await expect.poll(async () => (await daemon.entries('adoption')).length, SLOW).toBeGreaterThan(before)
    expect(processesWith(it.marker)).toEqual([it.pid])
    const last = daemon.attach(it)
    await expect.poll(() => last.first('attached') ?? last.error, SLOW).toHaveProperty('executionId')
    await host.ok('terminate', it.executionId)
    await last.over
  }, 60_000)

  test('is in the lineage, which verifies, and in what is shown of it', async () => {
    const types = await daemon.entries('hand-over')
    expect(types.length).toBeGreaterThanOrEqual(3)
    expect(types[0]).toMatchObject({ over: 'restart', stdinBytes: 4, outputBytes: 6 })
    const adoptions = await daemon.entries('adoption')
    expect(adoptions.length).toBeGreaterThanOrEqual(3)
    expect(await host.ok('explain', adoptions[0]?.executionId ?? '')).toMatch(/KEEP .*RENEW .*ADOPT /s)
  })

  test('what cannot be kept ends, and what can goes on; a wrong token and a second caller are refused', async () => {
    const hashed = await daemon.execute('sleep 1000', { digestStreams: true })
    const it = await daemon.execute('sleep 1000')
    await daemon.stopForRestart()
    expect(processesWith(hashed.marker)).toEqual([])
    expect(processesWith(it.marker)).toEqual([it.pid])
    expect(host.daemonLog).toContain('STREAMS_HASHED')
    await daemon.next()
    const wrong = daemon.attach({ ...it, attachToken: Buffer.alloc(32) })
    expect(String(await wrong.over)).toContain('the token is not that of this execution')
    const one = daemon.attach(it)
    await expect.poll(() => one.first('attached') ?? one.error, SLOW).toHaveProperty('epoch')
    expect(String(await daemon.attach(it).over)).toContain('somebody is attached')
    one.cancel()
    await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
    await expect.poll(() => daemon.endOf(it.executionId), SLOW).toMatchObject({ cause: 'CALLER_GONE' })
  }, 60_000)

  test('a detached one goes on, with its output where it was', async () => {
    const path = await host.issue('kept-detached', ['/bin/sh', '-c', DETACHED], ['--detach'])
    const executionId = (
      await host.ok('run', '--detach', '--artifact', path, '--', '/bin/sh', '-c', DETACHED)
    ).trim()
    const logs = () => host.ok('logs', executionId)
    await expect.poll(logs, SLOW).toContain('1\n')
    await daemon.restart()
    const states = async () => JSON.parse(await host.ok('executions', '--json')).executions
    await expect.poll(states, SLOW).toMatchObject([{ executionId, state: 'RUNNING' }])
    const before = (await logs()).length
    await expect.poll(async () => (await logs()).length, SLOW).toBeGreaterThan(before)
    const lines = (await logs()).trim().split('\n').map(Number)
    expect(lines).toEqual(lines.map((_, i) => i + 1))
    const following = host.writ(['logs', '--follow', executionId])
    await host.ok('terminate', executionId)
    // Nothing more comes: who follows is told so.
    expect((await following).stdout.startsWith('1\n2\n')).toBe(true)
  }, 60_000)

  test('a terminal goes on, and the end of its input is given to it once', async () => {
    const mode = 'STREAM_MODE_TERMINAL'
    const it = await daemon.execute('stty -echo; echo ready; cat; echo first; cat; echo second', {
      args: ['--terminal'],
      stdio: { stdin: mode, stdout: mode, stderr: mode },
    })
    await expect.poll(() => String(it.call.output), SLOW).toContain('ready')
    it.call.send('typed\n')
    it.call.endInput()
    await expect.poll(() => String(it.call.output), SLOW).toContain('first')
    await daemon.restart()
    expect(await it.call.over).toBe(null)
    expect(it.call.answers.at(-1)).toMatchObject({ handedOver: { stdinBytes: '6' } })
    const second = daemon.attach(it)
    second.endInput()
    await expect.poll(() => second.first('attached') ?? second.error, SLOW).toMatchObject({ stdinBytes: '6' })
    await daemon.restart()
    expect(await second.over).toBe(null)
    const third = daemon.attach(it)
    await expect.poll(() => third.first('attached') ?? third.error, SLOW).toMatchObject({ stdinBytes: '6' })
    third.endInput()
    expect((await daemon.entries('hand-over')).at(-1)).toMatchObject({ inputEnded: true, stdinBytes: 6 })
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(`${second.output}${third.output}`).toBe('')
    expect(processesWith(it.marker)).toEqual([it.pid])
    third.cancel()
    await expect.poll(() => processesWith(it.marker), SLOW).toEqual([])
  }, 60_000)

  test('the lineage of all that verifies', async () => {
    expect(await exportAndVerify(host, 'bundle')).toMatch(/[0-9]+ hand-overs, [0-9]+ adoptions/)
  }, 60_000)
})

const DETACHED = 'n=0; while :; do n=$((n+1)); echo $n; sleep 0.1; done'
