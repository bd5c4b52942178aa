import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../encoding/digest.ts'
import { CallError, WritClient } from '../../proto/client.ts'
import { parseEnvelope } from '../../signing/dsse.ts'
import { type Issue, issuerLike } from './artifacts.ts'
import { ofType, readLineage } from './audit.ts'
import { GovernedHost, NEEDS_ROOT } from './governed-host.ts'

/** All 500 take longer than an ordinary run of the tests has. */
const AT_ONCE = process.env.WRIT_SOAK === '1' ? [50, 500] : [50]
const HAS_STRACE = spawnSync('strace', ['-V']).status === 0

/**
 * Where the permit of a launch is written, and where it is made durable, by system call of the daemon; before and after each. The permit is the
 * first entry that a launch writes.
 */
const POINTS: [what: string, inject: string][] = [
  ['before the permit is written', 'pwrite64:signal=SIGKILL:when=1'],
  ['before the permit is durable', 'fdatasync:signal=SIGKILL:when=1'],
  ['after the permit is durable, before anybody hears of it', 'fdatasync:delay_exit=1500000:when=1'],
]

describe.skipIf(NEEDS_ROOT !== null)('one use is one use, on a whole host (needs root)', () => {
  let host: GovernedHost
  let daemon: WritClient
  let issue: Issue
  const workload = { program: '/bin/true', argv: ['/bin/true'] }

  beforeAll(async () => {
    host = await GovernedHost.start({ config: { quota: 'calls = 1000' } })
    issue = issuerLike(host, await host.issue('template', ['/bin/true'], ['--uses', '1']))
    daemon = new WritClient(host.socket)
  }, 120_000)
  afterAll(async () => {
    daemon?.close()
    await host?.close()
  })

  /** Runs a program and gives `ran`, or the codes of the denial, or what else came of it. */
  async function use(artifact: Buffer, client = daemon): Promise<string> {
    const call = client.executeCall({ artifact, workload })
    call.endStdin()
    try {
      for await (const { ended } of call.answers) if (ended) return `ran ${ended.exitCode}`
      return 'no end'
    } catch (error) {
      if (!(error instanceof CallError)) throw error
      return error.code === 'DENIED' ? error.reasons.map(({ code }) => code).join() : error.code
    }
  }

  /** Permits and starts of an artifact, as the log has them. */
  async function logged(artifact: Buffer): Promise<{ permits: number; starts: number }> {
    const digest = sha256Hex(parseEnvelope(artifact).payload)
    const entries = await readLineage(daemon)
    const permits = ofType(entries, 'decision').filter(
      ({ event }) => event.outcome === 'permit' && event.artifact === digest,
    )
    const ids = new Set(permits.map(({ event }) => event.executionId))
    const starts = ofType(entries, 'execution-start').filter(({ event }) => ids.has(event.executionId))
    return { permits: permits.length, starts: starts.length }
  }

  async function restarted(): Promise<void> {
    await host.startDaemon()
    await host.attested()
    daemon.close()
    daemon = new WritClient(host.socket)
  }

  test.each(AT_ONCE)('%i requests at once for it: one runs', async count => {
    const artifact = issue()
    const clients = Array.from({ length: Math.min(count, 10) }, () => new WritClient(host.socket))
    try {
      const outcomes = await Promise.all(
        Array.from({ length: count }, (_, i) => use(artifact, clients[i % clients.length])),
      )
      expect(outcomes.filter(outcome => outcome.startsWith('ran'))).toEqual(['ran 0'])
      // What had no room was not even looked at.
      const others = new Set(outcomes.filter(outcome => !outcome.startsWith('ran')))
      others.delete('CAPACITY')
      expect(others).toEqual(new Set(['REPLAYED']))
      expect(await logged(artifact)).toEqual({ permits: 1, starts: 1 })
    } finally {
      for (const client of clients) client.close()
    }
  })

  test('the same payload in another spelling, or with another signature, is the same use', async () => {
    const artifact = issue()
    const { payload, payloadType, signatures } = JSON.parse(artifact.toString())
    const spelt = (fields: object) => Buffer.from(JSON.stringify(fields))
    expect(await use(artifact)).toBe('ran 0')
    const same: Record<string, Buffer> = {
      'white space': Buffer.from(` ${artifact}\n`),
      'another order': spelt({ signatures, payload, payloadType }),
      escapes: Buffer.from(artifact.toString().replace('"payload"', '"p\\u0061yload"')),
      'no key id': spelt({
        payload,
        payloadType,
        signatures: signatures.map(({ sig }: { sig: string }) => ({ sig })),
      }),
      'another key id': spelt({
        payload,
        payloadType,
        signatures: signatures.map(({ sig }: { sig: string }) => ({ sig, keyid: 'x' })),
      }),
    }
    for (const [what, bytes] of Object.entries(same)) expect(await use(bytes), what).toBe('REPLAYED')
    // Base64 has one spelling here: all others are not read at all.
    const loose = [
      payload.replace(/=*$/, ''),
      `${payload}=`,
      `${payload}\n`,
      payload.replaceAll('+', '-').replaceAll('/', '_'),
    ]
    for (const text of loose.filter(text => text !== payload))
      expect(await use(spelt({ payload: text, payloadType, signatures }))).toBe('ARTIFACT_MALFORMED')
    expect(await logged(artifact)).toEqual({ permits: 1, starts: 1 })
  })

  test('another payload under an id that was used is denied, and the id stays with the first', async () => {
    const id = 'one-id-two-payloads'
    const first = issue(it => ({ ...it, id, validity: { ...it.validity, maxUses: 2 } }))
    const other = issue(it => ({ ...it, id, validity: { ...it.validity, maxUses: 5 } }))
    expect(await use(first)).toBe('ran 0')
    expect(await use(other)).toBe('REPLAYED')
    expect(await use(first)).toBe('ran 0')
    expect(await use(first)).toBe('REPLAYED')
  })

  test.skipIf(!HAS_STRACE).each(POINTS)(
    'kill -9 %s: never a second run, never a lost record (needs strace)',
    async (_, inject) => {
      const artifact = issue()
      const tracer = await attach(host.daemonPid, inject)
      const told = use(artifact)
      if (inject.includes('delay_exit')) {
        // The permit is on the disk, and the daemon does not know it yet.
        await expect.poll(() => tracer.said(), { timeout: 10_000 }).toContain('DELAYED')
        await host.stopDaemon('SIGKILL')
      } else await host.daemonExit()
      expect(await told).not.toMatch(/^ran/)
      if (tracer.process.exitCode === null) await once(tracer.process, 'exit')
      await restarted()
      // For the stop, and for the use itself if the log has it.
      expect(new Set((await use(artifact)).split(','))).toEqual(new Set(['REPLAYED']))
      await host.ok('clear', '--tail', '--key', host.path('operator.key'))
      const { permits, starts } = await logged(artifact)
      expect(starts).toBe(0)
      if (inject.includes('delay_exit')) expect(permits).toBe(1)
      // The log has the use, or the use was never had.
      expect(await use(artifact)).toBe(permits === 1 ? 'REPLAYED' : 'ran 0')
      expect(await use(artifact)).toBe('REPLAYED')
      expect((await logged(artifact)).permits).toBe(1)
    },
  )

  test('a copy of the state that was taken while it ran, put back after kill -9, gives no second use', async () => {
    const artifact = issue()
    execFileSync('cp', ['-a', host.path('state'), host.path('copy')])
    expect(await use(artifact)).toBe('ran 0')
    await host.stopDaemon('SIGKILL')
    rmSync(host.path('state'), { recursive: true })
    execFileSync('cp', ['-a', host.path('copy'), host.path('state')])
    await restarted()
    // The counter has not moved since; but the stop was unclean, whoever restored what.
    expect(await use(artifact)).toBe('REPLAYED')
  })
})

/** Has a running process's system calls meddled with. */
async function attach(pid: number, inject: string): Promise<{ process: ChildProcess; said: () => string }> {
  const [call = ''] = inject.split(':')
  const tracer = spawn('strace', ['-f', '-e', `trace=${call}`, '-e', `inject=${inject}`, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  tracer.stderr.on('data', piece => (said += piece))
  await expect.poll(() => said, { timeout: 10_000 }).toMatch(/attached/)
  await delay(100)
  return { process: tracer, said: () => said }
}
