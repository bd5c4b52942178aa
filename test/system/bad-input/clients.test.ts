import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { api, WritClient } from '../../../proto/client.ts'
import type { AttestationStatus } from '../../../proto/generated/writ/v1/AttestationStatus.ts'
import { descriptors } from '../../support/processes.ts'
import { ofType, processesWith, readLineage } from '../audit.ts'
import { GovernedHost, NEEDS_ROOT } from '../governed-host.ts'
import { RemoteCaller } from '../remote-caller.ts'
import { BadClient } from './bad-client.ts'
import { rssMiB, Soundness } from './soundness.ts'

const BAD = 65_301
const OTHER = 65_302
const TRUE = { program: '/bin/true', argv: ['/bin/true'] }
/** How long a call of another caller may take while one misbehaves. */
const PATIENCE_MS = 4_000

describe.skipIf(NEEDS_ROOT !== null)('badly behaved clients', () => {
  const marker = `88${process.pid}`
  let host: GovernedHost
  let sound: Soundness
  let good: Buffer
  let sleep: Buffer
  let yes: Buffer
  let other: RemoteCaller
  let rssBefore = 0

  beforeAll(async () => {
    host = await GovernedHost.start({
      enrolled: true,
      config: {
        rpc: 'keepalive_seconds = 2\nmax_connections = 100',
        attestation: 'cycle_seconds = 2\nmax_evidence_age_seconds = 15',
      },
    })
    good = readFileSync(await host.issue('good', TRUE.argv))
    sleep = readFileSync(await host.issue('sleep', ['/bin/sleep', '1'], ['--any-arguments']))
    yes = readFileSync(await host.issue('yes', ['/usr/bin/yes', marker]))
    other = new RemoteCaller(host.socket, OTHER)
    sound = await new Soundness(host, good).begin()
    rssBefore = rssMiB(host.daemonPid)
  }, 120_000)
  afterEach(() => sound.check(), 30_000)
  afterAll(async () => {
    other?.close()
    sound?.close()
    await host?.close()
  })

  const status = async () =>
    (await sound.client.call(api.attestation.GetStatus, {})).status as AttestationStatus
  const stateKiB = () =>
    Number(
      spawnSync('du', ['-sk', host.path('state')])
        .stdout.toString()
        .split('\t')[0],
    )

  /** Calls of another caller all the while, each with the time it took; and the gate never left ATTESTED. */
  async function whileOthersAreServed(
    misbehave: () => Promise<unknown>,
  ): Promise<{ worstMs: number; calls: number }> {
    const { epoch, appraisals } = await status()
    const begin = performance.now()
    let over = false
    let [worstMs, calls] = [0, 0]
    const others = (async () => {
      while (!over) {
        const start = performance.now()
        const run = calls % 4 === 3
        const { error, answers } = run
          ? await other.execute(good, TRUE)
          : await other.call('attestation', 'GetStatus', {})
        expect(error).toBeUndefined()
        if (run) expect(answers?.at(-1)).toMatchObject({ ended: { exitCode: 0 } })
        worstMs = Math.max(worstMs, performance.now() - start)
        calls++
        await new Promise(resolve => setTimeout(resolve, 100))
      }
    })()
    others.catch(() => undefined)
    try {
      await Promise.race([misbehave(), others])
    } finally {
      over = true
      await others
    }
    const after = await status()
    expect(after).toMatchObject({ state: 'GATE_STATE_ATTESTED', epoch })
    const cycles = Number(after.appraisals) - Number(appraisals)
    expect(cycles).toBeGreaterThanOrEqual(Math.floor((performance.now() - begin) / 6_000))
    return { worstMs, calls }
  }

  /** Starts a workload and waits until it runs. */
  async function running(
    client: WritClient,
    artifact: Buffer,
    workload: { program: string; argv: string[] },
  ) {
    const call = client.executeCall({ artifact, workload })
    const { value } = await call.answers.next()
    expect(value?.started?.executionId).toMatch(/^[0-9a-f]{32}$/)
    await expect.poll(() => processesWith(marker).length, { timeout: 10_000 }).toBeGreaterThan(0)
    return { call, id: value?.started?.executionId ?? '' }
  }

  const endOf = async (id: string) =>
    ofType(await readLineage(sound.client), 'execution-end').find(({ event }) => event.executionId === id)
      ?.event

  test('one that disconnects in mid-stream: what it ran ends, and its end is recorded', async () => {
    const client = new WritClient(host.socket)
    const { id } = await running(client, sleep, {
      program: '/bin/sleep',
      argv: ['/bin/sleep', `77${marker}`],
    })
    client.close()
    await expect.poll(() => processesWith(marker), { timeout: 10_000 }).toEqual([])
    await expect
      .poll(() => endOf(id), { timeout: 5_000 })
      .toMatchObject({ cause: 'CALLER_GONE', confirmedDead: true })
  })

  test('one that leaves at any moment of a start', async () => {
    for (let i = 0; i < 12; i++) {
      const client = new WritClient(host.socket)
      const call = client.executeCall({
        artifact: sleep,
        workload: { program: '/bin/sleep', argv: ['/bin/sleep', `77${marker}`] },
      })
      const first = call.answers.next().catch(() => undefined)
      await new Promise(resolve => setTimeout(resolve, i * 4))
      client.close()
      call.cancel()
      await first
    }
    await expect.poll(() => processesWith(marker), { timeout: 10_000 }).toEqual([])
    const entries = await readLineage(sound.client)
    const started = ofType(entries, 'execution-start').map(({ event }) => event.executionId)
    await expect
      .poll(async () => {
        const ended = ofType(await readLineage(sound.client), 'execution-end').map(e => e.event.executionId)
        return started.filter(id => !ended.includes(id))
      })
      .toEqual([])
  })

  test('one that never reads is held back, costs little, and what it ran can be ended', async () => {
    const before = rssMiB(host.daemonPid)
    const client = new WritClient(host.socket)
    const { id } = await running(client, yes, { program: '/usr/bin/yes', argv: ['/usr/bin/yes', marker] })
    await new Promise(resolve => setTimeout(resolve, 2_000))
    // Without flow control two seconds of `yes` would be gigabytes.
    expect(rssMiB(host.daemonPid) - before).toBeLessThan(80)
    const { execution } = await sound.client.call(api.execution.Terminate, { executionId: id })
    expect(execution).toMatchObject({ state: 'EXECUTION_STATE_ENDED', end: { confirmedDead: true } })
    client.close()
  })

  test('one that is stopped is given up after its keepalive, and what it ran ends', async () => {
    const child = host.spawnWrit([
      'run',
      '--artifact',
      host.path('sleep.artifact.json'),
      '--',
      '/bin/sleep',
      `77${marker}`,
    ])
    await expect.poll(() => processesWith(`77${marker}`).length, { timeout: 15_000 }).toBeGreaterThan(1)
    child.kill('SIGSTOP')
    try {
      await expect.poll(() => processesWith(`77${marker}`).length, { timeout: 15_000 }).toBe(1)
    } finally {
      child.kill('SIGKILL')
    }
    await expect.poll(() => processesWith(marker), { timeout: 5_000 }).toEqual([])
  })

  test('one that sends garbage, raw and in frames', async () => {
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
    const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
      const head = Buffer.alloc(9)
      head.writeUIntBE(payload.length, 0, 3)
      head.writeUInt8(type, 3)
      head.writeUInt8(flags, 4)
      head.writeUInt32BE(stream, 5)
      return Buffer.concat([head, payload])
    }
    const noise = (n: number) => Buffer.from(Array.from({ length: n }, (_, i) => (i * 7919 + n) & 255))
    const bad: Buffer[] = [
      Buffer.alloc(0),
      Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
      Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]),
      noise(100_000),
      preface,
      Buffer.concat([preface, noise(100_000)]),
      Buffer.concat([preface, settings, frame(1, 4, 1, noise(200))]),
      Buffer.concat([preface, settings, frame(0, 0, 1, noise(200))]),
      Buffer.concat([preface, settings, frame(9, 0, 1, noise(200))]),
      Buffer.concat([preface, settings, frame(8, 0, 0, Buffer.from([0, 0, 0, 0]))]),
      Buffer.concat([
        preface,
        settings,
        frame(1, 0, 1, Buffer.from([0x82])),
        frame(1, 0, 3, Buffer.from([0x82])),
      ]),
      // Header blocks without end (CVE-2024-27316), pings and settings without a reader for their answers.
      Buffer.concat([
        preface,
        settings,
        frame(1, 0, 1, Buffer.from([0x82])),
        ...Array(5_000).fill(frame(9, 0, 1, noise(64))),
      ]),
      Buffer.concat([preface, settings, ...Array(20_000).fill(frame(6, 0, 0, Buffer.alloc(8)))]),
      Buffer.concat([preface, ...Array(20_000).fill(settings)]),
    ]
    for (const bytes of bad) {
      await new Promise<void>(resolve => {
        const socket = connect(host.socket)
        socket.on('error', () => undefined).on('close', () => resolve())
        socket.write(bytes)
        // Does not read, either.
        setTimeout(() => socket.destroy(), 200)
      })
    }
    // Streams that are reset as soon as they are opened (CVE-2023-44487).
    const session = connectHttp2('http://localhost', { createConnection: () => connect(host.socket) })
    session.on('error', () => undefined)
    for (let i = 0; i < 3_000 && !session.destroyed; i++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': api.execution.Execute.path,
        'content-type': 'application/grpc',
      })
      stream.on('error', () => undefined).close(8)
    }
    await new Promise(resolve => setTimeout(resolve, 300))
    session.destroy()
  }, 30_000)

  test('one that opens 1,000 connections gets its share; others are served, and all is given back', async () => {
    const bad = new BadClient(host.socket, BAD, 'connect', 1_000)
    const logged = host.daemonLog.length
    try {
      const before = descriptors(host.daemonPid)
      const { worstMs } = await whileOthersAreServed(async () => {
        expect(await bad.said()).toEqual({ open: 32 })
      })
      expect(worstMs).toBeLessThan(PATIENCE_MS)
      // Each connection has a socket and its process's descriptor.
      expect(descriptors(host.daemonPid) - before).toBeLessThan(2 * 32 + 10)
      // The log is a disk, too.
      expect(host.daemonLog.length - logged).toBeLessThan(20_000)
      expect(host.daemonLog.slice(logged)).toContain('too many connections')
    } finally {
      bad.close()
    }
  }, 60_000)

  test('all uids together have a limit on connections too', async () => {
    const bad = Array.from({ length: 4 }, (_, i) => new BadClient(host.socket, BAD + 10 + i, 'connect', 31))
    try {
      const open = (await Promise.all(bad.map(client => client.said()))).map(said => said.open ?? 0)
      const sum = open.reduce((a, b) => a + b, 0)
      expect(sum).toBeLessThanOrEqual(100)
      expect(sum).toBeGreaterThan(80)
    } finally {
      for (const client of bad) client.close()
    }
  }, 60_000)

  test('one that holds streams', async () => {
    const bad = new BadClient(host.socket, BAD, 'hold', 400)
    try {
      const { worstMs } = await whileOthersAreServed(async () => {
        // What one uid may have at one time.
        expect((await bad.said()).held).toBeLessThanOrEqual(128)
        await new Promise(resolve => setTimeout(resolve, 3_000))
      })
      expect(worstMs).toBeLessThan(PATIENCE_MS)
    } finally {
      bad.close()
    }
  }, 60_000)

  test('one that asks for fifty reports at once', async () => {
    const bad = new BadClient(host.socket, BAD, 'reports', 50)
    try {
      const { worstMs } = await whileOthersAreServed(async () => {
        const { 0: answered = 0, 8: exhausted = 0, ...rest } = await bad.said()
        expect(rest).toEqual({})
        expect(answered).toBeGreaterThan(0)
        expect(answered + exhausted).toBe(50)
      })
      expect(worstMs).toBeLessThan(PATIENCE_MS)
    } finally {
      bad.close()
    }
  }, 60_000)

  test('one that floods with 100,000 requests that are denied', async () => {
    const diskBefore = stateKiB()
    const from = Number((await status()).lineageSize)
    const logged = host.daemonLog.length
    const bad = new BadClient(host.socket, BAD, 'flood', 100_000)
    const start = performance.now()
    let answered: Record<string, number> = {}
    try {
      const { worstMs } = await whileOthersAreServed(async () => {
        answered = await bad.said()
      })
      const seconds = (performance.now() - start) / 1000
      const KiB = stateKiB() - diskBefore
      expect(worstMs).toBeLessThan(PATIENCE_MS)
      expect(answered.answered).toBe(100_000)
      // Its own rate is what grows: 50 and 5 a second with an entry each, not 100,000.
      expect(KiB).toBeLessThan(1_000 + 100 * seconds)
      // A line for each entry.
      expect(host.daemonLog.length - logged).toBeLessThan(50_000 + 5_000 * seconds)
      // V8 collects when it sees fit. A hundred thousand calls that are kept would be gigabytes.
      expect(rssMiB(host.daemonPid) - rssBefore).toBeLessThan(300)
    } finally {
      bad.close()
    }
    // Every one is in the log: with an entry of its own or in a count.
    const counted = async () => {
      const entries = await readLineage(sound.client, from)
      const own = ofType(entries, 'decision').filter(({ event }) => event.caller.uid === BAD).length
      const counts = ofType(entries, 'denials-counted').filter(({ event }) => event.uid === BAD)
      return own + counts.reduce((sum, { event }) => sum + event.count, 0)
    }
    await expect.poll(counted, { timeout: 10_000, interval: 500 }).toBe(100_000)
  }, 180_000)

  test('one that floods with large artifacts does not fill the disk', async () => {
    const bad = new RemoteCaller(host.socket, BAD + 1)
    const before = stateKiB()
    try {
      const start = performance.now()
      let sent = 0
      while (performance.now() - start < 4_000) {
        const artifacts = Array.from({ length: 8 }, () =>
          Buffer.from(`{"x":"${'0123456789'.repeat(15_000)}${sent++}"}`),
        )
        for (const { error } of await Promise.all(artifacts.map(artifact => bad.execute(artifact, TRUE))))
          expect(error?.reasons).toEqual(['ARTIFACT_MALFORMED'])
      }
      expect(stateKiB() - before).toBeLessThan(6_000)
    } finally {
      bad.close()
    }
  }, 60_000)

  test('the log verifies', async () => {
    await sound.verifies('clients')
  }, 60_000)
})
