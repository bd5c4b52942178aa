import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bootTimeNs } from '../../daemon/native.ts'
import {
  freshPage,
  isRoot,
  parentOf,
  type Running,
  SECOND,
  sleep,
  TestHost,
  until,
  type Writd,
} from './host.ts'

/** Counts into a file that the test sees through standard output: whoever stands still, counts no further. */
const COUNT = ['/bin/sh', '-c', '(setsid sleep 300 &); while :; do echo; sleep 0.02; done']
const GRACE = { graceNs: 30n * SECOND }

/** What a lapse does to an execution that may be held, and what lets it go on. */
describe.skipIf(!isRoot)('an execution that may be held', () => {
  const host = new TestHost()
  let writd: Writd

  beforeAll(() => host.start())
  beforeEach(async () => {
    writd?.client.close()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd?.client.close()
    await host.stop()
  })

  const isFrozen = ({ executionId }: Running) =>
    host.leafFile(executionId, 'cgroup.events').includes('frozen 1')
  const states = async () =>
    Object.fromEntries((await writd.client.list()).map(({ executionId, state }) => [executionId, state]))
  /** Microseconds of processor time of all of it. */
  const used = ({ executionId }: Running) =>
    Number(/^usage_usec (\d+)/.exec(host.leafFile(executionId, 'cpu.stat'))?.[1])
  const standsStill = async (running: Running) => {
    await until(() => isFrozen(running))
    const before = used(running)
    await sleep(100)
    expect(used(running)).toBe(before)
  }
  const goesOn = async (running: Running) => {
    const before = used(running)
    await until(() => used(running) > before, 2000)
  }
  /** The gate closes and opens: a new epoch with fresh evidence. */
  const recover = (): bigint => {
    const epoch = writd.page.lapse()
    writd.page.renew(epoch, bootTimeNs())
    return epoch
  }
  const held = async (options: Parameters<Writd['start']>[1] = {}): Promise<Running> => {
    const running = await writd.start(COUNT, { ...GRACE, ...options })
    writd.page.lapse()
    writd.client.lapse(writd.page.read().epoch - 1n, true)
    await until(() => writd.events.includes(`held ${running.executionId} LAPSE`))
    return running
  }

  it('stands still on a lapse, and goes on by an order of the new epoch alone', async () => {
    const running = await held()
    await standsStill(running)
    expect(await states()).toEqual({ [running.executionId]: 'HELD' })
    const epoch = writd.page.read().epoch
    // No evidence yet; then evidence alone, which thaws nothing; then other epochs.
    await expect(writd.client.thaw(running.executionId, epoch)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    writd.page.renew(epoch, bootTimeNs())
    await standsStill(running)
    for (const other of [epoch - 1n, epoch + 1n]) {
      const refused = writd.client.thaw(running.executionId, other)
      await expect(refused).rejects.toMatchObject({ code: 'EPOCH_OVER' })
    }
    await standsStill(running)
    await writd.client.thaw(running.executionId, epoch)
    await goesOn(running)
    expect(await states()).toEqual({ [running.executionId]: 'RUNNING' })
    // It belongs to the new epoch now, and is held again when that ends, also if nobody orders it.
    writd.client.lapse(epoch - 1n, true)
    await goesOn(running)
    writd.client.kill(running.executionId, 'TERMINATED')
    expect((await running.ended).cause).toBe('TERMINATED')
    expect(host.leaves()).toEqual([])
  })

  it('is held by its supervisor alone when nobody orders anything, also by a lapse that is over', async () => {
    const running = await writd.start(COUNT, { ...GRACE, maxEvidenceAgeNs: SECOND })
    const epoch = recover()
    await until(() => writd.events.includes(`held ${running.executionId} EPOCH`), 2000)
    await standsStill(running)
    await writd.client.thaw(running.executionId, epoch)
    await goesOn(running)
    // Evidence that is late within its epoch: the same epoch may go on with the next.
    await until(() => writd.events.includes(`held ${running.executionId} LEASE`), 2000)
    await standsStill(running)
    await expect(writd.client.thaw(running.executionId, epoch)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    writd.page.renew(epoch, bootTimeNs())
    await writd.client.thaw(running.executionId, epoch)
    await goesOn(running)
    writd.client.kill(running.executionId, 'TERMINATED')
    await running.ended
  })

  it('is not thawed within the epoch that a lapse was ordered for', async () => {
    const running = await writd.start(COUNT, GRACE)
    writd.client.lapse(1n, true)
    await until(() => writd.events.includes(`held ${running.executionId} LAPSE`))
    await expect(writd.client.thaw(running.executionId, 1n)).rejects.toMatchObject({ code: 'EPOCH_OVER' })
    await standsStill(running)
    await writd.client.thaw(running.executionId, recover())
    await goesOn(running)
    writd.client.kill(running.executionId, 'TERMINATED')
    await running.ended
  })

  it('is killed where it stands, by whatever else ends it', async () => {
    const soon = bootTimeNs() + SECOND / 2n
    const ways: [cause: string, options: Parameters<Writd['start']>[1], end: (id: string) => void][] = [
      ['GRACE', { graceNs: SECOND / 4n }, () => {}],
      ['EXPIRY', { expiryBootNs: soon }, () => {}],
      ['RUN_TIME', { limits: { runTimeNs: SECOND / 2n } }, () => {}],
      ['REVOKED', {}, id => writd.client.kill(id, 'REVOKED')],
      ['DENIED', {}, id => writd.client.kill(id, 'DENIED')],
    ]
    const all = await Promise.all(ways.map(([, options]) => writd.start(COUNT, { ...GRACE, ...options })))
    writd.page.lapse()
    writd.client.lapse(1n, true)
    await until(() => all.every(isFrozen), 400)
    all.forEach(({ executionId }, i) => {
      ways[i]?.[2](executionId)
    })
    const ends = await Promise.all(all.map(({ ended }) => ended))
    expect(ends.map(({ cause }) => cause)).toEqual(ways.map(([cause]) => cause))
    expect(ends.every(({ confirmedDead, exitCode }) => confirmedDead && exitCode === null)).toBe(true)
    expect(host.leaves()).toEqual([])
  })

  it('is killed when the gate fails, and nothing is to be held any more', async () => {
    const running = await held()
    writd.client.lapse(1n, false)
    expect((await running.ended).cause).toBe('LAPSE')
    const next = await writd.start(COUNT, { ...GRACE, epoch: recover() })
    writd.page.lapse()
    writd.client.lapse(writd.page.read().epoch - 1n, false)
    expect(['LAPSE', 'EPOCH']).toContain((await next.ended).cause)
    expect(writd.events).not.toContain(`held ${next.executionId} LAPSE`)
  })

  it('has no more than its grace, counted from the end of the lease, however late it is looked at', async () => {
    const running = await writd.start(COUNT, { graceNs: SECOND / 2n, maxEvidenceAgeNs: SECOND / 4n })
    const supervisor = parentOf(running.pid)
    process.kill(supervisor, 'SIGSTOP')
    await sleep(1000)
    process.kill(supervisor, 'SIGCONT')
    const before = bootTimeNs()
    expect((await running.ended).cause).toBe('GRACE')
    expect(bootTimeNs() - before).toBeLessThan(SECOND / 4n)
  })

  it('is not held before it runs', async () => {
    const ready = await writd.prepare(COUNT, GRACE)
    writd.page.lapse()
    writd.client.lapse(1n, true)
    expect((await ready.ended).cause).toBe('LAPSE')
    expect(writd.events.some(event => event.startsWith('held'))).toBe(false)
  })

  it('is killed when writd goes, and when it went before', async () => {
    const page = freshPage()
    writd.client.close()
    writd = await host.connect(page)
    const running = await held()
    await standsStill(running)
    writd.client.close()
    await until(() => host.leaves().length === 0)
    writd = await host.connect()
    const short = await writd.start(COUNT, { ...GRACE, maxEvidenceAgeNs: SECOND / 2n })
    writd.client.close()
    await until(() => host.leaves().length === 0, 3000)
    writd = await host.connect()
    const told = writd.client.earlierEnds.map(({ executionId, cause }) => `${executionId} ${cause}`)
    expect(told).toEqual([`${short.executionId} LEASE`])
  })

  it('is killed with its supervisor, its launcher, and by another writd', async () => {
    const one = await held()
    process.kill(parentOf(one.pid), 'SIGKILL')
    expect((await one.ended).cause).toBe('SUPERVISOR_LOST')
    recover()
    const two = await held()
    writd.client.close()
    writd = await host.connect()
    await until(() => !writd.client.knows(two.executionId))
    expect(host.leaves()).toEqual([])
    const three = await held()
    const pids = host.processes(three.executionId)
    await host.end('SIGKILL')
    await until(() => pids.every(pid => !alive(pid)))
    await host.start()
    expect(host.leaves()).toEqual([])
  })

  it('holds its children, and ends those that may not be held; a child goes on after its parent', async () => {
    const parent = await writd.start(COUNT, { ...GRACE, children: true })
    const child = await writd.start(COUNT, { ...GRACE, parentExecution: parent.executionId, children: true })
    const grandchild = await writd.start(COUNT, { ...GRACE, parentExecution: child.executionId })
    const mortal = await writd.start(COUNT, { parentExecution: child.executionId })
    const ready = await writd.prepare(COUNT, { ...GRACE, parentExecution: parent.executionId })
    // Only the parent's own supervisor sees something: its evidence is too old for it alone.
    writd.page.renew(1n, bootTimeNs())
    const strict = await writd.start(COUNT, { ...GRACE, maxEvidenceAgeNs: SECOND, children: true })
    const below = await writd.start(COUNT, { ...GRACE, parentExecution: strict.executionId })
    await until(() => writd.events.includes(`held ${below.executionId} PARENT`), 2000)
    expect(writd.events).toContain(`held ${strict.executionId} LEASE`)
    await standsStill(below)
    await goesOn(child)
    const epoch = recover()
    writd.client.lapse(epoch - 1n, true)
    expect((await mortal.ended).cause).toMatch(/PARENT|LAPSE/)
    expect((await ready.ended).cause).toMatch(/PARENT|LAPSE/)
    for (const running of [parent, child, grandchild]) await until(() => isFrozen(running))
    await expect(writd.client.thaw(child.executionId, epoch)).rejects.toMatchObject({ code: 'PARENT_ENDED' })
    for (const running of [parent, child, grandchild]) {
      await writd.client.thaw(running.executionId, epoch)
      await goesOn(running)
    }
    writd.client.kill(parent.executionId, 'TERMINATED')
    expect((await parent.ended).cause).toBe('TERMINATED')
    for (const { ended } of [child, grandchild]) expect((await ended).cause).toBe('PARENT')
    writd.client.kill(strict.executionId, 'TERMINATED')
    expect((await below.ended).cause).toBe('PARENT')
    await Promise.all([parent.ended, strict.ended])
    expect(host.leaves()).toEqual([])
  })
})

function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
