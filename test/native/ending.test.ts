import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bootTimeNs, LeasePage } from '../../daemon/native.ts'
import {
  freshPage,
  isRoot,
  newId,
  parentOf,
  type Running,
  SECOND,
  sleep,
  TestHost,
  until,
  type Writd,
} from './host.ts'

/** A shell that forks away from its parent, session and terminal, in every way that is left to it. */
const FAMILY =
  'sleep 300 & (setsid sleep 300 &) ; (setsid sh -c "sleep 300 & sleep 300" >/dev/null 2>&1 &) ; sleep 300'
const SLEEP = ['/bin/sleep', '300']

/** Every way for an execution to end. */
describe.skipIf(!isRoot)('an execution ends', () => {
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

  const family = async (): Promise<Running> => {
    const running = await writd.start(['/bin/sh', '-c', FAMILY])
    await until(() => host.processes(running.executionId).length >= 6)
    return running
  }
  const allDead = (pids: number[]) => pids.every(pid => !existsSync(`/proc/${pid}`) || state(pid) === 'Z')
  const state = (pid: number) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]

  it('when it is killed: first the kill is told, then the death, with every descendant', async () => {
    const running = await family()
    const pids = host.processes(running.executionId)
    const before = bootTimeNs()
    writd.client.kill(running.executionId, 'REVOKED')
    const end = await running.ended
    expect(end).toMatchObject({ cause: 'REVOKED', exitCode: null, signal: 9, confirmedDead: true })
    expect(end.bootNs).toBeGreaterThan(before)
    expect(allDead(pids)).toBe(true)
    expect(writd.events).toEqual([
      `kill-sent ${running.executionId} REVOKED`,
      `ended ${running.executionId} REVOKED`,
    ])
    expect(host.leaves()).toEqual([])
    expect(writd.client.knows(running.executionId)).toBe(false)
  })

  it('with all that it left behind when its first process exits', async () => {
    const running = await writd.start([
      '/bin/sh',
      '-c',
      `(setsid sleep 300 &); (setsid sleep 300 &); sleep 0.1; exit 7`,
    ])
    await until(() => host.processes(running.executionId).length >= 4)
    const pids = host.processes(running.executionId)
    expect(await running.ended).toMatchObject({ cause: 'EXITED', exitCode: 7 })
    expect(allDead(pids)).toBe(true)
    expect(writd.events).toEqual([`ended ${running.executionId} EXITED`])
  })

  it('when its evidence is too old, and lives on while it is renewed', async () => {
    const maxEvidenceAgeNs = SECOND / 2n
    writd.page.renew(1n, bootTimeNs())
    const running = await writd.start(SLEEP, { maxEvidenceAgeNs })
    for (let i = 0; i < 6; i++) {
      await sleep(150)
      writd.page.renew(1n, bootTimeNs())
    }
    const last = writd.page.read().instantNs
    expect(writd.client.knows(running.executionId)).toBe(true)
    const end = await running.ended
    expect(end.cause).toBe('LEASE')
    expect(end.bootNs - last).toBeGreaterThanOrEqual(maxEvidenceAgeNs)
    expect(end.bootNs - last).toBeLessThan(maxEvidenceAgeNs + SECOND)
  })

  it('when there was a time without evidence, even if none of its looks fell into it', async () => {
    const running = await writd.start(SLEEP, { maxEvidenceAgeNs: SECOND / 2n })
    const { pid } = running
    const supervisor = parentOf(pid)
    process.kill(supervisor, 'SIGSTOP')
    await sleep(700)
    writd.page.renew(1n, bootTimeNs())
    const renewed = writd.page.read().instantNs
    process.kill(supervisor, 'SIGCONT')
    const end = await running.ended
    expect(end.cause).toBe('LEASE')
    expect(end.bootNs - renewed).toBeLessThan(SECOND / 3n) // long before what the renewal alone would give it
  })

  it('when its epoch is over, also if the gate opens again before anybody looks', async () => {
    const running = await writd.start(SLEEP, { maxEvidenceAgeNs: SECOND })
    const epoch = writd.page.lapse()
    writd.page.renew(epoch, bootTimeNs())
    const end = await running.ended
    expect(end.cause).toBe('EPOCH')
    // The evidence is fresh again, and the next one may start.
    expect((await writd.run(['/bin/true'])).end.exitCode).toBe(0)
  })

  it('at once when a lapse is ordered', async () => {
    const all = [await family(), await family(), await writd.prepare(SLEEP)]
    const epoch = writd.page.read().epoch
    writd.page.lapse()
    const before = bootTimeNs()
    writd.client.lapse(epoch)
    const ends = await Promise.all(all.map(running => running.ended))
    // The page alone may have told the supervisors first.
    for (const end of ends) expect(['LAPSE', 'EPOCH']).toContain(end.cause)
    for (const end of ends) expect(end.bootNs - before).toBeLessThan(SECOND)
    expect(host.leaves()).toEqual([])
  })

  it('of a later epoch is not touched by the lapse of an earlier one', async () => {
    writd.page.renew(writd.page.lapse(), bootTimeNs())
    const running = await writd.start(SLEEP)
    writd.client.lapse(1n)
    await sleep(100)
    expect(host.processes(running.executionId).length).toBeGreaterThan(0)
    writd.client.kill(running.executionId, 'TERMINATED')
    await running.ended
  })

  it('when it expires, when its run time is over, when its CPU time is used up', async () => {
    const expiring = await writd.start(SLEEP, { expiryBootNs: bootTimeNs() + SECOND / 4n })
    const limited = await writd.start(SLEEP, { limits: { runTimeNs: SECOND / 4n } })
    const busy = await writd.start(['/bin/sh', '-c', 'while :; do :; done & while :; do :; done'], {
      limits: { cpuTimeNs: SECOND / 4n },
    })
    expect((await expiring.ended).cause).toBe('EXPIRY')
    expect((await limited.ended).cause).toBe('RUN_TIME')
    const end = await busy.ended
    expect(end.cause).toBe('CPU_TIME')
    expect(end.rusage.userUs + end.rusage.systemUs).toBeGreaterThan(240_000)
    expect(end.rusage.userUs + end.rusage.systemUs).toBeLessThan(1_000_000)
  })

  it('before its first instruction when something lapsed between PREPARE and START', async () => {
    const lapses = [
      { what: () => writd.page.lapse(), code: 'EPOCH_OVER', options: {} },
      { what: () => sleep(300), code: /LEASE_OVER|ENDED/, options: { maxEvidenceAgeNs: SECOND / 4n } },
    ]
    for (const { what, code, options } of lapses) {
      writd.page.renew(writd.page.read().epoch, bootTimeNs())
      const epoch = writd.page.read().epoch
      const running = await writd.prepare(['/bin/sh', '-c', 'echo ran'], options)
      expect(host.leafFile(running.executionId, 'cgroup.freeze')).toBe('1\n')
      await until(() => host.leafFile(running.executionId, 'cgroup.events').includes('frozen 1'))
      await what()
      const start = writd.client.start(running.executionId, epoch)
      await expect(start).rejects.toMatchObject({ code: expect.stringMatching(code) })
      writd.client.abandon(running.executionId)
      expect(await running.output).toBe('')
      await until(() => host.leaves().length === 0)
    }
  })

  it('cannot be prepared without evidence, in another epoch, after its expiry', async () => {
    await expect(writd.run(['/bin/true'], { epoch: 2n })).rejects.toMatchObject({ code: 'EPOCH_OVER' })
    await expect(writd.run(['/bin/true'], { expiryBootNs: 1n })).rejects.toMatchObject({ code: 'EXPIRED' })
    await expect(writd.run(['/bin/true'], { maxEvidenceAgeNs: 1n })).rejects.toMatchObject({
      code: 'LEASE_OVER',
    })
    const epoch = writd.page.lapse()
    await expect(writd.run(['/bin/true'], { epoch })).rejects.toMatchObject({ code: 'LEASE_OVER' })
  })

  it('when its parent does, down all generations', async () => {
    const parent = await writd.start(SLEEP, { children: true })
    const child = await writd.start(SLEEP, { parentExecution: parent.executionId, children: true })
    const grandchild = await writd.start(SLEEP, { parentExecution: child.executionId })
    const ready = await writd.prepare(SLEEP, { parentExecution: parent.executionId })
    writd.client.kill(parent.executionId, 'TERMINATED')
    expect((await parent.ended).cause).toBe('TERMINATED')
    for (const { ended } of [child, grandchild, ready]) expect((await ended).cause).toBe('PARENT')
    const orphan = writd.prepare(SLEEP, { parentExecution: parent.executionId })
    await expect(orphan).rejects.toMatchObject({ code: 'PARENT_ENDED' })
    const unknown = writd.prepare(SLEEP, { parentExecution: newId() })
    await expect(unknown).rejects.toMatchObject({ code: 'PARENT_ENDED' })
  })

  it('when its supervisor is killed', async () => {
    const running = await family()
    const pids = host.processes(running.executionId)
    process.kill(parentOf(running.pid), 'SIGKILL')
    expect(await running.ended).toMatchObject({ cause: 'SUPERVISOR_LOST', confirmedDead: true })
    await until(() => allDead(pids), 100) // past their last instruction; the kernel may still be taking them apart
    expect(host.leaves()).toEqual([])
  })

  it('and so does a supervisor whose launcher is gone, and whose cgroup somebody removed before it looked', async () => {
    const own = new TestHost()
    await own.start()
    const other = await own.connect()
    const running = await other.start(SLEEP, { unread: true })
    const supervisor = parentOf(running.pid)
    process.kill(supervisor, 'SIGSTOP')
    await own.end('SIGKILL')
    process.kill(running.pid, 'SIGKILL')
    await until(() => own.leafFile(running.executionId, 'cgroup.events').includes('populated 0'))
    await own.stop()
    process.kill(supervisor, 'SIGCONT')
    await until(() => !existsSync(`/proc/${supervisor}`) || state(supervisor) === 'Z')
    other.client.close()
  })

  it('when its init is killed', async () => {
    const running = await family()
    process.kill(running.pid, 'SIGKILL')
    expect(await running.ended).toMatchObject({ cause: 'INIT_LOST', signal: 9 })
  })

  it('when its init is killed before it is let run', async () => {
    const ready = await writd.prepare(SLEEP, { unread: true })
    process.kill(ready.pid, 'SIGKILL')
    expect(await ready.ended).toMatchObject({ cause: 'NOT_STARTED', signal: 9 })
    // Nobody reads what never ran: its pipes do not stay open here.
    expect(ready.stdout?.destroyed).toBe(true)
  })

  it('when its lease does, after writd is gone; another writd ends it at once', async () => {
    const page = freshPage()
    writd.client.close()
    writd = await host.connect(page)
    const short = await writd.start(SLEEP, { maxEvidenceAgeNs: SECOND })
    const long = await writd.start(SLEEP)
    const ready = await writd.prepare(SLEEP)
    writd.client.close()
    await until(() => host.leaves().length === 1, 3000)
    expect(host.processes(long.executionId).length).toBeGreaterThan(0)
    expect(host.processes(ready.executionId)).toEqual([])
    // The same page again: the same writd.
    const again = await host.connect(page)
    expect(again.client.features.superseded).toBe(0)
    expect((await again.client.list()).map(({ executionId }) => executionId)).toEqual([long.executionId])
    // Told late, not lost.
    const told = again.client.earlierEnds.map(({ executionId, cause }) => `${executionId} ${cause}`)
    expect(told.sort()).toEqual([`${short.executionId} LEASE`, `${ready.executionId} ABANDONED`].sort())
    again.client.close()
    writd = await host.connect()
    expect(writd.client.features.superseded).toBe(1)
    await until(() => !writd.client.knows(long.executionId))
    expect((await writd.ended(long.executionId)).cause).toBe('SUPERSEDED')
    expect(host.leaves()).toEqual([])
  })

  it('when the launcher is killed, and a new launcher finds nothing left', async () => {
    const running = await family()
    const pids = host.processes(running.executionId)
    const gone = new Promise(resolve => writd.client.once('disconnected', resolve))
    await host.end('SIGKILL')
    await gone
    await until(() => allDead(pids))
    await expect(writd.client.list()).rejects.toMatchObject({ code: 'DISCONNECTED' })
    await host.start()
    expect(host.leaves()).toEqual([])
    writd = await host.connect()
    expect((await writd.run(['/bin/true'])).end.exitCode).toBe(0)
  })

  it('when the launcher and its supervisor are killed together', async () => {
    const running = await family()
    const pids = host.processes(running.executionId)
    process.kill(host.pid, 'SIGSTOP') // else it might act in between
    process.kill(parentOf(running.pid), 'SIGKILL')
    await host.end('SIGKILL')
    await until(() => allDead(pids))
    await host.start()
    expect(host.leaves()).toEqual([])
  })

  it('when the launcher is stopped', async () => {
    const running = await family()
    const pids = host.processes(running.executionId)
    await host.end('SIGTERM')
    expect(allDead(pids)).toBe(true)
    expect((await running.ended).cause).toBe('LAUNCHER_STOP')
    expect(host.leaves()).toEqual([])
    await host.start()
  })
})

describe('the lease page', () => {
  it('moves forward within an epoch only, and starts each epoch without evidence', () => {
    const page = LeasePage.create()
    expect(page.read()).toEqual({ epoch: 1n, instantNs: 0n })
    page.renew(1n, 50n)
    page.renew(1n, 50n)
    expect(() => page.renew(1n, 49n)).toThrow('never goes back')
    expect(() => page.renew(2n, 60n)).toThrow('another epoch')
    expect(page.lapse()).toBe(2n)
    expect(page.read()).toEqual({ epoch: 2n, instantNs: 0n })
    expect(() => page.renew(1n, 60n)).toThrow('another epoch')
    page.renew(2n, 60n)
    expect(page.read()).toEqual({ epoch: 2n, instantNs: 60n })
  })
})
