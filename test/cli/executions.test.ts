import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GovernedHost, NEEDS_ROOT } from '../system/governed-host.ts'
import { writ as runWrit, WRIT } from './cli.ts'

describe.skipIf(NEEDS_ROOT !== null)(`writ about executions (${NEEDS_ROOT ?? 'as root'})`, () => {
  let host: GovernedHost
  const running: ChildProcess[] = []
  const writ = (...args: string[]) => runWrit(args, { env: { WRIT_SOCKET: host.socket } })
  const json = async (...args: string[]) => {
    const { status, stdout, stderr } = await writ(...args)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return stdout
      .trimEnd()
      .split(/\n(?=\{)/)
      .map(text => JSON.parse(text))
  }

  beforeAll(async () => {
    host = await GovernedHost.start({ config: { minting: 'enabled = true' } })
  }, 120_000)
  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL')
    await host?.close()
  }, 60_000)

  /** Starts a shell command in an execution and gives the execution's id once it has written a line. */
  async function start(script: string): Promise<string> {
    const argv = ['/bin/sh', '-c', `echo up; ${script}`]
    const artifact = await host.issue(`job-${running.length}`, argv)
    const child = spawn(WRIT, ['run', '--quiet', '--artifact', artifact, '--', ...argv], {
      env: { PATH: process.env.PATH, WRIT_SOCKET: host.socket },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    running.push(child)
    await once(child.stdout as NodeJS.ReadableStream, 'data')
    const [{ executions }] = await json('executions', '--all', '--json')
    return executions[0].executionId
  }

  test('authorize says what would be permitted, consumes nothing, and denies with reasons', async () => {
    const artifact = await host.issue('asked', ['/bin/true'], ['--uses', '1'])
    for (const _ of [1, 2]) {
      const [answer] = await json('authorize', '--json', '--artifact', artifact, '/bin/true')
      expect(answer).toMatchObject({ permitted: true })
    }
    expect((await writ('run', '--artifact', artifact, '/bin/true')).status).toBe(0)
    const denied = await writ('authorize', '--artifact', artifact, '/bin/true')
    expect(denied.status).toBe(1)
    expect(denied.stderr).toContain('REPLAYED')
    const other = await writ('authorize', '--artifact', artifact, '/bin/false')
    expect(other.stderr).toMatch(/^writ: denied: .*SCOPE_EXCEEDED/)
  })

  test('authorize has the daemon make an artifact for one run', async () => {
    const file = host.path('minted.json')
    const [made] = await json('authorize', '--json', '--out', file, '/bin/echo', 'once')
    expect(made.file).toBe(file)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect((await writ('run', '--artifact', file, '/bin/echo', 'once')).stdout).toBe('once\n')
    expect((await writ('run', '--artifact', file, '/bin/echo', 'once')).stderr).toContain('REPLAYED')
    expect((await writ('authorize', '/bin/true')).status).toBe(2)
    expect((await writ('authorize', '--out', file, '--artifact', file, '/bin/true')).status).toBe(2)
  })

  test('executions lists what runs, and with --all what has ended', async () => {
    const id = await start('sleep 1000')
    const [{ executions }] = await json('executions', '--json')
    expect(executions).toMatchObject([{ executionId: id, state: 'RUNNING', program: '/bin/sh', end: null }])
    expect((await writ('executions')).stdout).toMatch(new RegExp(`^${id}  RUNNING    uid 0 .*/bin/sh -c`))
    const [one] = await json('executions', id, '--json')
    expect(one).toMatchObject({ executionId: id, argv: ['/bin/sh', '-c', 'echo up; sleep 1000'] })
    expect((await writ('executions', id)).stdout).toMatch(/^execution {2}[0-9a-f]{32}\nstate {6}RUNNING\n/)

    const watch = runWrit(['executions', id, '--watch', '--json'], { env: { WRIT_SOCKET: host.socket } })
    const [ended] = await json('terminate', id, '--json')
    expect(ended.executions).toMatchObject([
      { executionId: id, state: 'ENDED', end: { cause: 'TERMINATED', signal: 9, confirmedDead: true } },
    ])
    const states = (await watch).stdout.trimEnd().split('\n')
    expect(JSON.parse(states.at(-1) ?? '')).toMatchObject({ state: 'ENDED' })
    expect((await writ('executions')).stdout).toBe('none\n')
    const [all] = await json('executions', '--all', '--json')
    expect(all.executions.map((e: { executionId: string }) => e.executionId)).toContain(id)
    // Ended once more, and waited for afterwards: nothing is left to do, which is no error.
    expect((await writ('terminate', id)).status).toBe(0)
    expect((await writ('wait', id)).status).toBe(0)
    expect((await writ('wait', '--success', id)).status).toBe(1)
  })

  test('wait ends with the last of them, and says how each ended', async () => {
    const slow = await start('sleep 12; exit 3')
    const quick = await start('sleep 3')
    expect((await writ('wait', '--timeout', '1s', slow, quick)).stderr).toMatch(
      /^writ: not all have ended after 1 s\n/,
    )
    const ended = await json('wait', '--json', slow, quick)
    expect(ended.map(e => [e.executionId, e.end.exitCode])).toEqual([
      [quick, 0],
      [slow, 3],
    ])
    expect((await writ('wait', '--success', quick)).status).toBe(0)
    expect((await writ('wait', '--success', slow, quick)).status).toBe(1)
  })

  test('an execution that is not known, or no id, is said before anything is done', async () => {
    const id = await start('sleep 1000')
    const nobody = 'f'.repeat(32)
    for (const command of ['wait', 'terminate', 'executions']) {
      const found = await writ(command, nobody)
      expect({ command, status: found.status }).toEqual({ command, status: 1 })
      expect(found.stderr).toContain('Nothing of that name exists')
      expect((await writ(command, 'five')).stderr).toContain('`writ executions` lists them.')
    }
    expect((await writ('terminate', id, nobody)).status).toBe(1)
    expect((await json('executions', id, '--json'))[0]).toMatchObject({ state: 'RUNNING' })
    expect((await writ('executions', id, '--all')).status).toBe(2)
    expect((await writ('terminate', id)).stdout).toMatch(/ENDED .*TERMINATED, signal 9/)
  })
})
