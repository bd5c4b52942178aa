import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { api, CallError, WritClient } from '../../proto/client.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { seeded } from '../support/seeded.ts'
import { type Issue, issuerLike } from './artifacts.ts'
import { exportAndVerify, ofType, processesWith, readLineage } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

const ROUNDS = 15
const SEED = Number(process.env.WRIT_SEED ?? 20_261_121)
const CGROUPS = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified']

/** What a caller was told of one use of an artifact. */
interface Told {
  readonly digest: string
  executionId: string | null
  decisionIndex: number | null
  exitCode: number | null
  denied: string[] | null
}

describe.skipIf(NEEDS_ROOT !== null)('kill -9 at any moment', () => {
  const marker = `77${process.pid}`
  const random = seeded(SEED)
  const told: Told[] = []
  const artifacts = new Map<string, Buffer>()
  let host: GovernedHost
  let issue: Issue
  let daemon: WritClient

  beforeAll(async () => {
    host = await GovernedHost.start({ enrolled: true })
    const template = await host.issue('template', ['/bin/sleep', '1'], ['--any-arguments', '--uses', '1'])
    issue = issuerLike(host, template)
    daemon = new WritClient(host.socket)
  }, 120_000)
  afterAll(async () => {
    daemon?.close()
    await host?.close()
  })

  const workload = (seconds: string) => ({
    program: '/bin/sleep',
    argv: ['/bin/sleep', `${seconds}${marker}`],
  })

  /** Uses an artifact and notes what it is told, until the answer is complete or the daemon is gone. */
  async function use(client: WritClient, artifact: Buffer, seconds: string): Promise<Told> {
    const digest = sha256Hex(parseEnvelope(artifact).payload)
    artifacts.set(digest, artifact)
    const note: Told = { digest, executionId: null, decisionIndex: null, exitCode: null, denied: null }
    told.push(note)
    const call = client.executeCall({ artifact, workload: workload(seconds) })
    call.endStdin()
    try {
      for await (const { started, ended } of call.answers) {
        if (started) {
          note.executionId = started.executionId
          note.decisionIndex = Number(started.decisionIndex)
        }
        if (ended) note.exitCode = ended.exitCode ?? null
      }
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      if (error.code === 'DENIED') note.denied = error.reasons.map(({ code }) => code)
    }
    return note
  }

  /** Uses artifacts one after the other, each at once with a second caller, until the daemon is gone. */
  async function callUntilGone(seconds: string, signal: AbortSignal): Promise<void> {
    const [one, two] = [new WritClient(host.socket), new WritClient(host.socket)]
    try {
      while (!signal.aborted) {
        const artifact = issue()
        await Promise.all([use(one, artifact, seconds), use(two, artifact, seconds)])
      }
    } finally {
      one.close()
      two.close()
    }
  }

  async function restarted(): Promise<void> {
    await host.startDaemon()
    daemon.close()
    daemon = new WritClient(host.socket)
    await expect
      .poll(async () => (await daemon.call(api.attestation.GetStatus, {})).status?.state, {
        timeout: 15_000,
        interval: 30,
      })
      .toBe('GATE_STATE_ATTESTED')
  }

  /** What has to be true of every run so far, whatever happened in it. */
  async function expectAllAccountedFor(): Promise<void> {
    expect(processesWith(marker)).toEqual([])
    const entries = await readLineage(daemon)
    const permits = ofType(entries, 'decision').filter(({ event }) => event.outcome === 'permit')
    const starts = ofType(entries, 'execution-start')
    const ends = new Map(ofType(entries, 'execution-end').map(({ event }) => [event.executionId, event]))
    const byIndex = new Map(permits.map(({ index, event }) => [index, event]))

    const permitted = permits.map(({ event }) => event.artifact)
    expect(new Set(permitted).size).toBe(permitted.length)
    for (const { event } of starts)
      expect(ends.has(event.executionId), `end of ${event.executionId}`).toBe(true)
    const started = new Set(starts.map(({ event }) => event.executionId))
    for (const { digest, executionId, decisionIndex, exitCode } of told) {
      if (executionId === null || decisionIndex === null) continue
      expect(byIndex.get(decisionIndex)).toMatchObject({ executionId, artifact: digest })
      expect(started.has(executionId)).toBe(true)
      if (exitCode !== null) expect(ends.get(executionId)).toMatchObject({ exitCode, confirmedDead: true })
    }
    for (const { event } of starts) {
      for (const mount of CGROUPS) expect(existsSync(`${mount}${event.cgroup}`)).toBe(false)
    }
  }

  test(`writd, ${ROUNDS} times while callers run programs under single-use artifacts (seed ${SEED})`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const before = told.length
      const over = new AbortController()
      const callers = ['0.0', '0.02', '30.'].map(seconds => callUntilGone(seconds, over.signal))
      await new Promise(resolve => setTimeout(resolve, 20 + random() * 600))
      over.abort()
      await host.stopDaemon('SIGKILL')
      await Promise.all(callers)
      await restarted()
      await expectAllAccountedFor()
      // Nothing that anybody had before the kill can be used after it, whether or not it was used.
      const had = [...new Set(told.slice(before).map(({ digest }) => digest))].slice(-6)
      for (const again of await Promise.all(had.map(d => use(daemon, artifacts.get(d) as Buffer, '0.0')))) {
        expect(new Set(again.denied)).toEqual(new Set(['REPLAYED']))
      }
    }
    // The rounds did something: uses that ran to their end, and uses that were cut off after they had begun.
    expect(told.filter(({ exitCode }) => exitCode === 0).length).toBeGreaterThan(ROUNDS)
    expect(told.filter(t => t.executionId !== null && t.exitCode === null).length).toBeGreaterThan(0)
  }, 180_000)

  test('once an operator has accepted the tail, what the log has as used stays used', async () => {
    await host.ok('clear', '--tail', '--key', host.path('operator.key'))
    const used = new Set(
      ofType(await readLineage(daemon), 'decision')
        .filter(({ event }) => event.outcome === 'permit')
        .map(({ event }) => event.artifact),
    )
    const unused = [...artifacts.keys()].filter(digest => !used.has(digest))
    for (const digest of [
      ...[...artifacts.keys()].filter(d => used.has(d)).slice(-10),
      ...unused.slice(-3),
    ]) {
      const { denied, exitCode } = await use(daemon, artifacts.get(digest) as Buffer, '0.0')
      if (used.has(digest)) expect(denied).toContain('REPLAYED')
      else expect(exitCode).toBe(0)
    }
    await expectAllAccountedFor()
  })

  test('writ-launchd: executions end, writd ends with a reason, and both can be started again', async () => {
    const uses = Array.from({ length: 3 }, () => use(daemon, issue(), '30.'))
    await expect.poll(() => processesWith(marker).length, { timeout: 15_000 }).toBeGreaterThanOrEqual(3)
    await host.stopLauncher('SIGKILL')
    await expect.poll(() => processesWith(marker), { timeout: 15_000 }).toEqual([])
    await Promise.all(uses)
    // An orderly end, with a status that says that it was not asked for.
    expect(await host.daemonExit()).toBe(1)
    expect(host.daemonLog).toContain('the launcher is gone')
    await host.startLauncher()
    await restarted()
    await expectAllAccountedFor()
    expect(await use(daemon, issue(), '0.0')).toMatchObject({ exitCode: 0, denied: null })
  }, 60_000)

  test('the whole log verifies, exported', async () => {
    const report = await exportAndVerify(host, 'bundle')
    expect(report).toContain('VERIFIED')
    expect(report).not.toContain('FAILED')
  }, 60_000)
})
