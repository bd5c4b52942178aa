import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WRIT } from '../cli/cli.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'
import { answersFor, measurePolicy, setup, states, writeAnswers, writeOwnConfig } from './setup-host.ts'

describe.skipIf(NEEDS_ROOT !== null)(`writ setup, killed (${NEEDS_ROOT ?? 'as root'})`, () => {
  let host: GovernedHost
  beforeAll(async () => {
    host = await GovernedHost.booted()
    writeOwnConfig(host)
  }, 60_000)
  afterAll(() => host?.close(), 60_000)

  /** Kills a run as soon as a file is there. @returns whether it was still running */
  async function killAt(name: string): Promise<boolean> {
    const child = spawn(WRIT, ['setup', '--json', '--answers', writeAnswers(host, answersFor(host))], {
      stdio: 'ignore',
      env: { PATH: process.env.PATH },
    })
    const ended = new Promise<NodeJS.Signals | null>(done => child.once('close', (_, signal) => done(signal)))
    const timer = setInterval(() => {
      if (existsSync(host.path(name))) child.kill('SIGKILL')
    }, 1)
    try {
      return (await ended) === 'SIGKILL'
    } finally {
      clearInterval(timer)
    }
  }

  test('wherever it is, the next run goes on from what is there', async () => {
    const killed: string[] = []
    for (const name of [
      'state/identity',
      'state/identity/identity.json',
      'state/lineage/checkpoint',
      'operator.key',
      'release.key',
      'trust.json',
      'policies/start.cedar',
      'policy.json',
      'ima',
    ])
      if (await killAt(name)) killed.push(name)
    // A run that was over before it was seen shows nothing; most are seen.
    expect(killed.length).toBeGreaterThan(2)
    const keys = readFileSync(host.path('operator.key'))
    const first = await setup(host, answersFor(host))
    expect(first.steps.map(({ error }) => error)).toEqual(first.steps.map(() => null))
    expect(first.waiting?.for).toBe('BOOT_OPTIONS')
    expect(readFileSync(host.path('operator.key'))).toEqual(keys)
    await measurePolicy(host)
    for (const name of ['captured.json', 'reference.json']) await killAt(name)
    const last = await setup(host, answersFor(host))
    expect(last.steps.map(({ error }) => error)).toEqual(last.steps.map(() => null))
    expect(states(last)).toMatchObject({ identity: 'unchanged', keys: 'unchanged', service: 'waiting' })
    await host.ok('config', 'check', host.path('writd.toml'), '--launchd', host.path('launchd.conf'))
  }, 120_000)
})
