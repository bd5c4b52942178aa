import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { Quota, type QuotaLimits } from '../../../daemon/rpc/quota.ts'
import { api, type CallError, WritClient } from '../../../proto/client.ts'
import { type Rig, startRig } from './rig.ts'

const LIMITS: QuotaLimits = {
  requestsPerSecond: 10,
  requestBurst: 5,
  bytesPerSecond: 1000,
  byteBurst: 2000,
  connections: 2,
  calls: 3,
}

function quotaAt(limits: Partial<QuotaLimits> = {}) {
  const clock = { ms: 0 }
  return { clock, quota: new Quota({ ...LIMITS, ...limits }, () => clock.ms) }
}

describe('a bucket', () => {
  it('gives its burst, then its rate, to each uid by itself', () => {
    const { clock, quota } = quotaAt({ calls: 1000 })
    const taken = (uid: number) => {
      let count = 0
      while (quota.openCall(uid)) count++
      return count
    }
    expect(taken(1)).toBe(5)
    expect(taken(2)).toBe(5)
    clock.ms += 300
    expect(taken(1)).toBe(3)
    clock.ms += 3_600_000
    expect(taken(1)).toBe(5)
  })

  it('of bytes lets debts be paid by waiting', () => {
    const { clock, quota } = quotaAt()
    expect(quota.charge(1, 2000)).toBe(0)
    expect(quota.charge(1, 500)).toBe(500)
    expect(quota.charge(1, 500)).toBe(1000)
    expect(quota.charge(2, 100)).toBe(0)
    clock.ms += 1000
    expect(quota.charge(1, 0)).toBe(0)
  })

  it('of bytes takes back what was given back, up to its burst', () => {
    const { quota } = quotaAt()
    expect(quota.charge(1, 3000)).toBe(1000)
    quota.credit(1, 2500)
    expect(quota.charge(1, 1500)).toBe(0)
    quota.credit(1, 1_000_000)
    expect(quota.charge(1, 3000)).toBe(1000)
  })

  it('counts connections and calls at one time', () => {
    const { clock, quota } = quotaAt()
    expect([1, 2, 3].map(() => quota.openConnection(1))).toEqual([true, true, false])
    quota.closeConnection(1)
    expect(quota.openConnection(1)).toBe(true)
    expect([1, 2, 3, 4].map(() => quota.openCall(1))).toEqual([true, true, true, false])
    // A call that was refused took no request.
    quota.closeCall(1)
    clock.ms += 0
    expect(quota.openCall(1)).toBe(true)
  })

  it('is forgotten when it says no more than a fresh one', () => {
    const { clock, quota } = quotaAt()
    for (let uid = 0; uid < 100; uid++) {
      quota.openConnection(uid)
      quota.openCall(uid)
      quota.closeCall(uid)
      quota.closeConnection(uid)
    }
    expect(quota.size).toBe(100)
    clock.ms += 10_000
    quota.openConnection(7)
    quota.closeConnection(7)
    expect(quota.size).toBe(0)
  })
})

describe('a server with a quota', () => {
  let rig: Rig
  afterEach(() => rig.stop())
  const outcomes = async (calls: Promise<unknown>[]) =>
    (await Promise.allSettled(calls)).map(r => (r.status === 'fulfilled' ? 'ok' : (r.reason as CallError)))

  it('denies requests beyond it with CAPACITY, and counts them', async () => {
    rig = await startRig({ quota: { requestsPerSecond: 1, requestBurst: 10 } })
    const client = rig.client()
    const all = await outcomes(Array.from({ length: 30 }, () => client.call(api.attestation.GetStatus, {})))
    const denied = all.filter(o => o !== 'ok')
    expect(denied.length).toBeGreaterThanOrEqual(18)
    for (const error of denied) {
      expect(error).toMatchObject({ status: 'RESOURCE_EXHAUSTED', reasons: [{ code: 'CAPACITY' }] })
    }
    expect(rig.core.denials.get(process.geteuid?.() ?? -1)).toBe(denied.length)
  })

  it('gives a call back at its end, however it ended', async () => {
    rig = await startRig({ quota: { calls: 4 } })
    const client = rig.client()
    for (let round = 0; round < 5; round++) {
      const stop = new AbortController()
      const watches = [1, 2].map(() => client.read(api.attestation.WatchStatus, {}, { signal: stop.signal }))
      for (const watch of watches) await watch.next()
      await client.call(api.execution.Get, { executionId: 'bad' }).catch(() => {})
      const held = client.read(api.attestation.WatchStatus, {}, { deadlineMs: 50 })
      await held.next()
      await held.next().catch(() => {})
      stop.abort()
      await outcomes(watches.map(watch => watch.next()))
      await sleep(50)
    }
    const many = [1, 2, 3, 4, 5].map(() => client.read(api.attestation.WatchStatus, {}))
    const results = await outcomes(many.map(watch => watch.next()))
    expect(results.filter(o => o === 'ok')).toHaveLength(4)
    for (const watch of many) await watch.return()
  })

  it('refuses connections beyond it', async () => {
    rig = await startRig({ quota: { connections: 3 } })
    const clients = Array.from({ length: 5 }, () => new WritClient(rig.socket))
    const all = await outcomes(clients.map(client => client.call(api.attestation.GetStatus, {})))
    expect(all.filter(o => o === 'ok')).toHaveLength(3)
    expect(rig.warnings.some(w => w.includes('too many connections'))).toBe(true)
    for (const client of clients) client.close()
    for (let i = 0; i < 100 && rig.acceptor.connections > 0; i++) await sleep(10)
    await rig.client().call(api.attestation.GetStatus, {})
  })

  it('does not hold back the input of a workload that is permitted, and does what nobody reads', async () => {
    const MIB = 1 << 20
    rig = await startRig({ quota: { bytesPerSecond: 4 * MIB, byteBurst: 2 * MIB } })
    const piece = Buffer.alloc(64 * 1024)
    const feed = async (argv: string[], bytes: number) => {
      const workload = { program: '/bin/sh', argv: ['sh', '-c', ...argv] }
      const call = rig.client().executeCall({ artifact: Buffer.from('{}'), workload })
      await call.answers.next()
      const begin = performance.now()
      for (let sent = 0; sent < bytes; sent += piece.length) await call.stdin(piece)
      const ms = performance.now() - begin
      call.endStdin()
      let said = ''
      for await (const { stdout } of call.answers) said += stdout ?? ''
      return { ms, said: said.trim() }
    }
    const warnings: string[] = []
    const note = (warning: Error) => warnings.push(warning.name)
    process.on('warning', note)
    // By the quota alone it would take eleven seconds.
    const read = await feed(['wc -c'], 48 * MIB)
    expect(read.said).toBe(String(48 * MIB))
    expect(read.ms).toBeLessThan(8000)
    // It waited hundreds of times for the daemon, and keeps nothing of that.
    process.off('warning', note)
    expect(warnings).toEqual([])
    // Permitted as well, but there is nobody whose pace would hold it back.
    expect((await feed(['exec <&-; sleep 3'], 10 * MIB)).ms).toBeGreaterThan(700)
  })

  it('lets bytes beyond it in later', async () => {
    rig = await startRig({ quota: { bytesPerSecond: 200_000, byteBurst: 100_000 } })
    const client = rig.client()
    const artifact = Buffer.alloc(200_000)
    const begin = performance.now()
    await client.call(api.execution.Authorize, { artifact, workload: {} })
    expect(performance.now() - begin).toBeGreaterThan(400)
  })
})

describe('a server with limits', () => {
  let rig: Rig
  afterEach(() => rig.stop())

  it('refuses a message that is too large', async () => {
    rig = await startRig({ limits: { maxMessageBytes: 65536 } })
    const artifact = Buffer.alloc(70_000)
    await expect(
      rig.client().call(api.execution.Authorize, { artifact, workload: {} }),
    ).rejects.toMatchObject({ status: 'RESOURCE_EXHAUSTED' })
    expect(rig.core.callers).toHaveLength(0)
  })

  it('answers for a daemon that takes too long, and tells it to stop', async () => {
    rig = await startRig({ unaryTimeoutMs: () => 100 })
    let told = false
    rig.core.authorize = (_caller, _artifact, _workload, signal?: AbortSignal) =>
      new Promise(() => {
        signal?.addEventListener('abort', () => {
          told = true
        })
      })
    await expect(
      rig.client().call(api.execution.Authorize, { artifact: Buffer.from('{}'), workload: {} }),
    ).rejects.toMatchObject({ status: 'DEADLINE_EXCEEDED', faultCode: 'TIMED_OUT' })
    expect(told).toBe(true)
  })

  it('closes a connection without calls', async () => {
    rig = await startRig({ limits: { idleMs: 200 } })
    await rig.client().call(api.attestation.GetStatus, {})
    expect(rig.acceptor.connections).toBe(1)
    for (let i = 0; i < 200 && rig.acceptor.connections > 0; i++) await sleep(20)
    expect(rig.acceptor.connections).toBe(0)
  })

  it('takes no more connections of all uids together than it may', async () => {
    rig = await startRig({ limits: { maxConnections: 2 } })
    const clients = [1, 2, 3, 4].map(() => new WritClient(rig.socket))
    const all = await Promise.allSettled(clients.map(c => c.call(api.attestation.GetStatus, {})))
    expect(all.filter(r => r.status === 'fulfilled')).toHaveLength(2)
    for (const client of clients) client.close()
  })
})
