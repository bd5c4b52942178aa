import { existsSync, readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

describe.skipIf(NEEDS_ROOT !== null)('a detached execution', () => {
  let host: GovernedHost
  beforeAll(async () => {
    host = await GovernedHost.start()
  }, 120_000)
  afterAll(() => host?.close())

  const script =
    'echo begin; echo oops >&2; i=0; while [ $i -lt 40 ]; do sleep 0.1; i=$((i+1)); done; echo end; exit 9'
  const program = ['/bin/sh', '-c', script]

  test('is refused where it is not signed', async () => {
    const artifact = await host.issue('tied', program)
    const { code, stderr } = await host.writ(['run', '--detach', '--artifact', artifact, '--', ...program])
    expect({ code, said: stderr.includes('SCOPE_EXCEEDED') }).toEqual({ code: 1, said: true })
  })

  test('goes on without its caller, can be read, waited for and ended; its output outlasts the daemon', async () => {
    const artifact = await host.issue('free', program, ['--detach'])
    const run = ['run', '--detach', '--artifact', artifact, '--', ...program]
    const id = (await host.ok(...run)).trim()
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    expect(JSON.parse(await host.ok('executions', id, '--json')).state).toBe('RUNNING')
    const following = host.writ(['logs', '--follow', id])
    const waited = await host.writ(['wait', '--status', id])
    expect(waited.code).toBe(9)
    expect(await following).toMatchObject({ code: 0, stdout: 'begin\nend\n', stderr: 'oops\n' })

    const second = (await host.ok(...run)).trim()
    await host.ok('terminate', second)
    expect((await host.writ(['wait', '--status', second])).code).toBe(128 + 9)

    // One that runs ends with the daemon, however that ends.
    const third = (await host.ok(...run)).trim()
    await expect
      .poll(async () => (await host.writ(['logs', third])).stdout, { timeout: 15_000 })
      .toBe('begin\n')
    const { pid } = JSON.parse(await host.ok('executions', third, '--json'))
    await host.stopDaemon('SIGKILL')
    await host.startDaemon()
    await host.attested()
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 30_000 }).toBe(false)
    expect(await host.writ(['logs', id])).toMatchObject({ code: 0, stdout: 'begin\nend\n', stderr: 'oops\n' })
    expect(await host.writ(['logs', third])).toMatchObject({ code: 0, stdout: 'begin\n', stderr: 'oops\n' })
    expect((await host.writ(['logs', id], { uid: 65_002 })).code).toBe(1)
    expect(readdirSync(host.path('state/output')).length).toBe(3)
  }, 120_000)
})
