import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeKill, encodeList, encodeOrder } from '../../daemon/launcher/encode.ts'
import { MESSAGE } from '../../daemon/launcher/wire.ts'
import { bootTimeNs } from '../../daemon/native.ts'
import { freshPage, isRoot, type Running, SECOND, sleep, TestHost, until, type Writd } from './host.ts'
import { Hostile } from './hostile.ts'

const SLEEP = ['/bin/sleep', '300']
/** More than a socket takes with nobody reading: some 280 small messages, by the kernel's usual limit (net.core.wmem_default). */
const MANY = 5000

/** Others do not read, are not there, or cannot be made: what the launcher has to do is done all the same. */
describe.skipIf(!isRoot)('the launcher waits for nobody:', () => {
  const host = new TestHost()
  beforeAll(() => host.start())
  afterAll(() => host.stop())

  /** Stops the supervisor and sends it as much as it takes. */
  const fill = async (writd: Writd, { executionId, pid }: Running): Promise<number> => {
    const supervisor = parentOf(pid)
    process.kill(supervisor, 'SIGSTOP')
    for (let i = 0; i < MANY; i++) {
      const code = await writd.client.signal(executionId, 'SIGALRM').then(
        () => 'OK',
        (error: { code?: string }) => error.code,
      )
      if (code === 'CAPACITY') return supervisor
      expect(code).toBe('OK')
    }
    throw new Error('its socket takes everything')
  }
  const empty = ({ executionId }: Running) =>
    host.leafFile(executionId, 'cgroup.events').includes('populated 0')

  it('a supervisor that reads nothing delays no kill, its own execution’s neither', async () => {
    const writd = await host.connect()
    const other = await writd.start(SLEEP)
    const stuck = await writd.start(SLEEP)
    const supervisor = await fill(writd, stuck)
    writd.client.kill(stuck.executionId, 'TERMINATED')
    writd.client.kill(other.executionId, 'REVOKED')
    expect((await other.ended).cause).toBe('REVOKED')
    await until(() => empty(stuck))
    expect(writd.events).toContain(`kill-sent ${stuck.executionId} TERMINATED`)
    expect((await writd.client.list()).map(({ state }) => state)).toEqual(['ENDING'])
    process.kill(supervisor, 'SIGCONT')
    expect((await stuck.ended).cause).toBe('TERMINATED')
    writd.client.close()
  })

  it('one that cannot be told to hold or to go on has its execution ended', async () => {
    const options = { graceNs: 30n * SECOND }
    const writd = await host.connect()
    const [running, held] = [await writd.start(SLEEP, options), await writd.start(SLEEP, options)]
    const supervisors = [await fill(writd, running)]
    const epoch = writd.page.lapse()
    writd.client.lapse(epoch - 1n, true)
    await until(() => empty(running))
    await until(() => writd.events.includes(`kill-sent ${running.executionId} LAPSE`))
    await until(() => writd.events.some(event => event.startsWith(`held ${held.executionId}`)))
    writd.page.renew(epoch, bootTimeNs())
    supervisors.push(await fill(writd, held))
    await expect(writd.client.thaw(held.executionId, epoch)).rejects.toMatchObject({ code: 'ENDED' })
    await until(() => empty(held))
    for (const supervisor of supervisors) process.kill(supervisor, 'SIGCONT')
    expect((await running.ended).cause).toBe('LAPSE')
    expect((await held.ended).cause).toBe('SUPERVISOR_LOST')
    writd.client.close()
  })

  it('an end is told late, not never, when no process could be made that watches it', async () => {
    const writd = await host.connect()
    const running = await writd.start(SLEEP)
    const files = (soft: string) => spawnSync('prlimit', [`--pid=${host.pid}`, `--nofile=${soft}`]).status
    const before = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${host.pid}/limits`, 'utf8'))?.[1]
    expect(files('3:')).toBe(0)
    process.kill(parentOf(running.pid), 'SIGKILL')
    await until(() => host.log.includes('cannot watch an execution die'))
    await until(() => writd.events.length > 0)
    expect(writd.events).toEqual([`kill-sent ${running.executionId} SUPERVISOR_LOST`])
    expect(files(`${before}:`)).toBe(0)
    expect(await running.ended).toMatchObject({ cause: 'SUPERVISOR_LOST', confirmedDead: true })
    expect(host.leaves()).toEqual([])
    writd.client.close()
  })

  it.each([
    ['wait for room', 400],
    ['are on their way', 10],
  ])(
    'a writd that goes while answers %s is missed, and what it had ordered is carried out',
    async (_, lists) => {
      const gone = () => host.log.split('writd is gone').length
      const page = freshPage()
      const honest = await host.connect(page)
      const running = await honest.start(SLEEP)
      let before = gone()
      honest.client.close()
      await until(() => gone() > before)

      const writd = await new Hostile(host.socket, page).greet()
      const prepared = await writd.honest()
      expect((await writd.prepare(prepared)).code).toBe('OK')
      before = gone()
      // It reads nothing from here on: nothing below gives the turn to who would.
      for (let i = 0; i < lists; i++) {
        writd.send(encodeOrder(MESSAGE.list, BigInt(1000 + i), encodeList(0)))
        if (i % 10 === 9) pause(5)
      }
      process.kill(host.pid, 'SIGSTOP')
      writd.send(encodeOrder(MESSAGE.list, 2000n, encodeList(0)))
      writd.send(encodeOrder(MESSAGE.kill, 2001n, encodeKill(running.executionId, 'REVOKED')))
      writd.close()
      process.kill(host.pid, 'SIGCONT')

      await until(() => gone() > before)
      await until(() => host.leaves().length === 0)
      const ticks = processorTicks(host.pid)
      await sleep(300)
      expect(processorTicks(host.pid) - ticks).toBeLessThan(5)
      const next = await host.connect(page)
      const told = next.client.earlierEnds.map(({ executionId, cause }) => [executionId, cause])
      expect(Object.fromEntries(told)).toEqual({
        [running.executionId]: 'REVOKED',
        [prepared.executionId]: 'ABANDONED',
      })
      next.client.close()
    },
  )
})

/** Lets nothing happen in this process. */
const pause = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)

/** Hundredths of a second (proc_pid_stat(5), utime and stime). */
function processorTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
