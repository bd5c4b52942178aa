import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bootTimeNs, LeasePage } from '../../daemon/native.ts'
import { isRoot, NO_EARLIER, parentOf, SECOND, sleep, until, type Writd } from './host.ts'
import { Succession } from './succession.ts'

/** When the next writd may go on with what is kept, and under which lease. */
describe.skipIf(!isRoot)('what is kept', () => {
  const runs = new Succession()
  beforeAll(() => runs.host.start())
  beforeEach(() => runs.begin())
  afterEach(() => runs.over())
  afterAll(() => runs.host.stop())

  it('is adopted into the epoch that the new page shows, with evidence that makes a lease, or stays kept', async () => {
    const running = await runs.kept({ maxEvidenceAgeNs: 2n * SECOND })
    const page = LeasePage.create(5n)
    await runs.handOver(page)
    await expect(runs.adopt(running)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    page.renew(5n, bootTimeNs() - 3n * SECOND)
    await expect(runs.adopt(running)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    page.renew(5n, bootTimeNs() + 60n * SECOND)
    await expect(runs.adopt(running)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    page.lapse()
    page.renew(6n, bootTimeNs())
    for (const epoch of [1n, 5n, 7n]) {
      const refused = runs.writd.client.adopt(running.executionId, epoch, NO_EARLIER)
      await expect(refused).rejects.toMatchObject({ code: 'EPOCH_OVER' })
    }
    expect(await runs.states()).toEqual({ [running.executionId]: 'KEPT' })
    await runs.goesOn(running)
    await runs.writd.client.adopt(running.executionId, 6n, NO_EARLIER)
    // It lives by that page now: by its epoch, which nobody but the supervisor looks at here.
    page.lapse()
    expect((await runs.writd.ended(running.executionId)).cause).toBe('EPOCH')
  })

  it('is not adopted once its time is over, however late that is looked at', async () => {
    const soon = bootTimeNs() + 2n * SECOND
    const ways: [cause: string, options: Parameters<Writd['start']>[1]][] = [
      ['EXPIRY', { expiryBootNs: soon }],
      ['RUN_TIME', { limits: { runTimeNs: (3n * SECOND) / 2n } }],
    ]
    const all = await Promise.all(ways.map(([, options]) => runs.kept(options)))
    const latest = bootTimeNs() + 2n * SECOND
    for (const { pid } of all) process.kill(parentOf(pid), 'SIGSTOP')
    await runs.handOver()
    const adopting = all.map(running => runs.adopt(running).catch(error => error.code))
    await sleep(Number((latest - bootTimeNs()) / 1_000_000n) + 100)
    for (const { pid } of all) process.kill(parentOf(pid), 'SIGCONT')
    for (const code of await Promise.all(adopting)) expect(code).toMatch(/^(EXPIRED|ENDED)$/)
    const ends = await Promise.all(all.map(({ executionId }) => runs.writd.ended(executionId)))
    expect(ends.map(({ cause }) => cause)).toEqual(ways.map(([cause]) => cause))
  })

  it('outlives neither what it was given at first nor what it is adopted with', async () => {
    const soon = () => bootTimeNs() + SECOND / 2n
    const given = await runs.kept({ expiryBootNs: bootTimeNs() + 2n * SECOND })
    const [expires, ages, over] = [await runs.kept(), await runs.kept(), await runs.kept()]
    await runs.handOver()
    await runs.adopt(given)
    await expect(runs.adopt(over, { expiryBootNs: bootTimeNs() })).rejects.toMatchObject({ code: 'EXPIRED' })
    await expect(runs.adopt(over, { maxEvidenceAgeNs: 1n })).rejects.toMatchObject({ code: 'LEASE_OVER' })
    expect(await runs.states()).toMatchObject({ [over.executionId]: 'KEPT', [given.executionId]: 'RUNNING' })
    await runs.adopt(expires, { expiryBootNs: soon() })
    await runs.adopt(ages, { maxEvidenceAgeNs: soon() - runs.writd.page.read().instantNs })
    expect((await runs.writd.ended(expires.executionId)).cause).toBe('EXPIRY')
    expect((await runs.writd.ended(ages.executionId)).cause).toBe('LEASE')
    expect((await runs.writd.ended(given.executionId)).cause).toBe('EXPIRY')
  })

  it('has the launcher go by the earlier deadlines too when its supervisor hangs over the next restart', async () => {
    const running = await runs.kept()
    await runs.handOver()
    await runs.adopt(running, { maxEvidenceAgeNs: bootTimeNs() - runs.writd.page.read().instantNs + SECOND })
    await runs.writd.client.keep(running.executionId, {})
    process.kill(parentOf(running.pid), 'SIGSTOP')
    await runs.handOver()
    await until(() => runs.writd.events.includes(`kill-sent ${running.executionId} LEASE`), 3000)
    process.kill(parentOf(running.pid), 'SIGCONT')
    expect((await runs.writd.ended(running.executionId)).cause).toBe('LEASE')
  })

  it('ends by a lapse that comes while it is being adopted, at whatever step', async () => {
    const causes = new Set<string>()
    for (let i = 0; i < 24; i++) {
      const running = await runs.kept()
      await runs.handOver()
      const adopting = runs.adopt(running).catch(error => error.code)
      const later = bootTimeNs() + BigInt(i) * 20_000n
      while (bootTimeNs() < later);
      const epoch = runs.writd.page.lapse() - 1n
      runs.writd.client.lapse(epoch)
      causes.add((await runs.writd.ended(running.executionId)).cause)
      await adopting
      await runs.next()
    }
    for (const cause of causes) expect(cause).toMatch(/^(LAPSE|EPOCH)$/)
  })

  it('waits for the next writd when the one that is adopting it goes', async () => {
    const running = await runs.kept({ maxEvidenceAgeNs: 3n * SECOND })
    process.kill(parentOf(running.pid), 'SIGSTOP')
    await runs.handOver()
    const lost = runs.adopt(running).catch(error => error.code)
    await expect(runs.adopt(running)).rejects.toMatchObject({ code: 'BAD_STATE' })
    await runs.next()
    expect(await lost).toBe('DISCONNECTED')
    const left = runs.adopt(running).catch(error => error.code)
    await runs.handOver(LeasePage.create())
    expect(await left).toBe('BAD_STATE')
    expect(runs.writd.client.features).toMatchObject({ kept: 1, superseded: 0 })
    const again = runs.adopt(running)
    process.kill(parentOf(running.pid), 'SIGCONT')
    // What the supervisor says to the first ones, which it took, is no answer to this one.
    await expect(again).rejects.toMatchObject({ code: 'LEASE_OVER' })
    expect(await runs.states()).toEqual({ [running.executionId]: 'KEPT' })
    runs.writd.page.renew(1n, bootTimeNs())
    await runs.adopt(running)
    expect(await runs.states()).toEqual({ [running.executionId]: 'RUNNING' })
    // By this page and not by the one before, which was asked for first.
    runs.writd.page.lapse()
    expect((await runs.writd.ended(running.executionId)).cause).toBe('EPOCH')
  })

  it('is ended when its supervisor does not say whether it adopts', async () => {
    const running = await runs.kept()
    process.kill(parentOf(running.pid), 'SIGSTOP')
    await runs.handOver()
    // That the page shows another epoch the launcher says by itself, and asks nobody.
    const other = runs.writd.client.adopt(running.executionId, 7n, NO_EARLIER)
    await expect(other).rejects.toMatchObject({ code: 'EPOCH_OVER' })
    const refused = runs.adopt(running).catch(error => error.code)
    await until(() => runs.writd.events.includes(`kill-sent ${running.executionId} SUPERVISOR_LOST`), 8000)
    expect(await refused).toBe('ENDED')
    process.kill(parentOf(running.pid), 'SIGCONT')
    await runs.writd.ended(running.executionId)
  }, 15_000)
})
