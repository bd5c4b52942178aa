import { connect, createServer } from 'node:net'
import type { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { descriptorOf } from '../../daemon/launcher/descriptor-of.ts'
import type { AdoptedDeadlines, Prepared } from '../../daemon/launcher/types.ts'
import { bootTimeNs, LeasePage } from '../../daemon/native.ts'
import {
  freshPage,
  isRoot,
  NO_EARLIER,
  parentOf,
  type Running,
  SECOND,
  sleep,
  TestHost,
  until,
  type Writd,
} from './host.ts'

const COUNT = ['/bin/sh', '-c', '(setsid sleep 300 &); while :; do echo; sleep 0.02; done']
const PIPES = { stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' }, unread: true } as const

/** What runs while one writd goes and the next one comes. */
describe.skipIf(!isRoot)('what is handed over', () => {
  const host = new TestHost()
  let writd: Writd
  let descriptorsBefore: number

  beforeAll(() => host.start())
  beforeEach(async () => {
    writd = await host.connect()
    descriptorsBefore = openInLauncher()
  })
  afterEach(async () => {
    try {
      for (const { executionId, state } of await writd.client.list())
        if (state === 'KEPT') writd.client.kill(executionId, 'TERMINATED')
      await next()
      await until(() => host.leaves().length === 0)
      // None of the descriptors that it was given are left with the launcher.
      await until(() => openInLauncher() <= descriptorsBefore)
    } finally {
      writd.client.close()
    }
  })
  afterAll(() => host.stop())

  const openInLauncher = () => host.descriptors()
  const states = async () =>
    Object.fromEntries((await writd.client.list()).map(({ executionId, state }) => [executionId, state]))
  const next = async (page = freshPage()): Promise<void> => {
    writd.client.close()
    writd = await host.connect(page)
  }
  /** A planned restart: the one that goes has said all that it has to say. */
  const handOver = async (page = freshPage()): Promise<void> => {
    await writd.client.leave()
    await next(page)
  }
  const adopt = (
    { executionId }: { executionId: string },
    deadlines: Partial<AdoptedDeadlines> = {},
  ): Promise<Prepared> =>
    writd.client.adopt(executionId, writd.page.read().epoch, { ...NO_EARLIER, ...deadlines })
  const used = ({ executionId }: { executionId: string }) =>
    Number(/^usage_usec (\d+)/.exec(host.leafFile(executionId, 'cpu.stat'))?.[1])
  const goesOn = async (running: { executionId: string }) => {
    const before = used(running)
    await until(() => used(running) > before, 2000)
  }
  /** Something that runs, and that is to be kept, without streams. */
  const kept = async (options: Parameters<Writd['start']>[1] = {}): Promise<Running> => {
    const stdio = { stdin: 'null', stdout: 'null', stderr: 'null' } as const
    const running = await writd.start(COUNT, { stdio, ...options })
    await writd.client.keep(running.executionId, {})
    return running
  }
  const end = async ({ executionId }: { executionId: string }) => {
    writd.client.kill(executionId, 'TERMINATED')
    expect(await writd.ended(executionId)).toMatchObject({ cause: 'TERMINATED', confirmedDead: true })
  }

  it('goes on as the same process, and of its streams nothing is lost and nothing comes twice', async () => {
    let running: Prepared & { executionId: string } = await writd.start(['/bin/cat'], PIPES)
    const { executionId, pid, uid, cgroup } = running
    const sent = Array.from({ length: 4000 }, (_, i) => `${i} `.repeat(100)).join('\n')
    let [came, taken] = ['', 0]
    const listen = () => running.stdout?.on('data', (piece: Buffer) => (came += piece))
    for (let i = 0; i < 6; i++) {
      listen()
      running.stdin?.write(sent.slice(taken, taken + 600_000))
      // In the middle of it: what waits in the pipes, and what waits for room in them.
      await sleep(2 * i)
      await writd.client.keep(executionId, running.descriptors())
      const before = running
      const { stdinBytes, stdout } = before.release()
      taken += stdinBytes
      came += Buffer.concat(stdout)
      await handOver()
      expect(writd.client.features).toMatchObject({ kept: 1, superseded: 0 })
      expect(writd.client.features.features).toContain('keep')
      expect(await states()).toEqual({ [executionId]: 'KEPT' })
      running = { ...(await adopt(before)), executionId }
      expect(running).toMatchObject({
        pid,
        uid,
        cgroup,
        socket: null,
        resize: null,
        noted: i === 0 ? 0 : i * 1000 - 500,
      })
      writd.client.note(executionId, 3)
      writd.client.note(executionId, (i + 1) * 1000 - 500)
      expect(await states()).toEqual({ [executionId]: 'RUNNING' })
    }
    expect(taken).toBeGreaterThan(600_000)
    listen()
    const ended = new Promise(resolve => running.stdout?.once('end', resolve))
    running.stdin?.end(sent.slice(taken))
    expect(await writd.ended(executionId)).toMatchObject({ cause: 'EXITED', exitCode: 0 })
    await ended
    expect(came.length).toBe(sent.length)
    expect(came === sent).toBe(true)
  })

  it('has its terminal, and the socket that it asks for children on', async () => {
    const shell = await writd.start(['/bin/sh'], { stdio: 'terminal', unread: true })
    const parent = await writd.start(['/bin/sleep', '300'], { ...PIPES, children: true })
    const listening = createServer().listen({ fd: parent.socket?.take() ?? -1 })
    await new Promise(resolve => listening.once('listening', resolve))
    await writd.client.keep(shell.executionId, shell.descriptors())
    const socket = descriptorOf(listening)
    await writd.client.keep(parent.executionId, { ...parent.descriptors(), socket })
    shell.release()
    parent.release()
    await handOver()
    listening.close()
    const terminal = await adopt(shell)
    terminal.resize?.({ rows: 31, columns: 77 })
    terminal.stdin?.write('stty size; exit 3\n')
    expect(await text(terminal.stdout)).toContain('31 77')
    expect((await writd.ended(shell.executionId)).exitCode).toBe(3)
    const adopted = await adopt(parent)
    const heard = Promise.withResolvers<void>()
    const server = createServer(() => heard.resolve()).listen({ fd: adopted.socket?.take() ?? -1 })
    const client = connect(`/proc/${parent.pid}/root/run/writ/parent.sock`)
    await heard.promise
    client.destroy()
    server.close()
    // It may be a parent again, now that it has been adopted.
    const child = await writd.start(COUNT, { parentExecution: parent.executionId, unread: true })
    await end(parent)
    expect((await child.ended).cause).toBe('PARENT')
  })

  it('is what was said to be kept, and nothing else', async () => {
    const one = await kept()
    const other = await writd.start(COUNT, { unread: true })
    await handOver()
    expect(writd.client.features).toMatchObject({ kept: 1, superseded: 1 })
    expect((await writd.ended(other.executionId)).cause).toBe('SUPERSEDED')
    await goesOn(one)
    // Another writd that adopts nothing changes nothing.
    await next()
    expect(writd.client.features).toMatchObject({ kept: 1, superseded: 0 })
    await goesOn(one)
    await adopt(one)
    await goesOn(one)
    // From here on it belongs to the writd that adopted it, and ends with that.
    await next()
    expect((await writd.ended(one.executionId)).cause).toBe('SUPERSEDED')
  })

  it('is kept over a crash as well, where that was said', async () => {
    const running = await kept()
    await next()
    await goesOn(running)
    await adopt(running)
    await writd.client.keep(running.executionId, {})
    await next()
    await adopt(running)
    await goesOn(running)
    await end(running)
  })

  it('dies by the lease that it had when nobody adopts it, and is not held then', async () => {
    const running = await kept({ maxEvidenceAgeNs: SECOND, graceNs: 60n * SECOND })
    const until = writd.page.read().instantNs + SECOND
    await handOver()
    const { cause, bootNs } = await writd.ended(running.executionId)
    expect(cause).toBe('LEASE')
    expect(bootNs - until).toBeLessThan(SECOND / 2n)
    expect(writd.events.some(event => event.startsWith('held'))).toBe(false)
    await expect(adopt(running)).rejects.toMatchObject({ code: 'UNKNOWN_EXECUTION' })
  })

  it('dies by the lease that it had when its supervisor hangs, and is not adopted afterwards', async () => {
    const running = await kept({ maxEvidenceAgeNs: SECOND })
    const supervisor = parentOf(running.pid)
    process.kill(supervisor, 'SIGSTOP')
    await handOver()
    await until(() => writd.events.includes(`kill-sent ${running.executionId} LEASE`), 3000)
    await expect(adopt(running)).rejects.toMatchObject({ code: 'ENDED' })
    process.kill(supervisor, 'SIGCONT')
    expect((await writd.ended(running.executionId)).cause).toBe('LEASE')
  })

  it('is ended at once when its supervisor hangs and the epoch that it belongs to is over', async () => {
    const running = await kept()
    const supervisor = parentOf(running.pid)
    process.kill(supervisor, 'SIGSTOP')
    // The page goes on, with evidence of now: in another epoch.
    writd.page.renew(writd.page.lapse(), bootTimeNs())
    await handOver()
    try {
      await until(() => host.processes(running.executionId).length === 0, 2000)
      await expect(adopt(running)).rejects.toMatchObject({ code: 'ENDED' })
    } finally {
      process.kill(supervisor, 'SIGCONT')
    }
    // As the launcher saw it: its supervisor would have said EPOCH.
    expect((await writd.ended(running.executionId)).cause).toBe('LEASE')
  })

  it('is adopted into the epoch that the new page shows, with evidence that makes a lease, or stays kept', async () => {
    const running = await kept({ maxEvidenceAgeNs: 2n * SECOND })
    const page = LeasePage.create(5n)
    await handOver(page)
    await expect(adopt(running)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    page.renew(5n, bootTimeNs() - 3n * SECOND)
    await expect(adopt(running)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    page.renew(5n, bootTimeNs() + 60n * SECOND)
    await expect(adopt(running)).rejects.toMatchObject({ code: 'LEASE_OVER' })
    page.lapse()
    page.renew(6n, bootTimeNs())
    for (const epoch of [1n, 5n, 7n]) {
      const refused = writd.client.adopt(running.executionId, epoch, NO_EARLIER)
      await expect(refused).rejects.toMatchObject({ code: 'EPOCH_OVER' })
    }
    expect(await states()).toEqual({ [running.executionId]: 'KEPT' })
    await goesOn(running)
    await writd.client.adopt(running.executionId, 6n, NO_EARLIER)
    // It lives by that page now: by its epoch, which nobody but the supervisor looks at here.
    page.lapse()
    expect((await writd.ended(running.executionId)).cause).toBe('EPOCH')
  })

  it('is not adopted once its time is over, however late that is looked at', async () => {
    const soon = bootTimeNs() + 2n * SECOND
    const ways: [cause: string, options: Parameters<Writd['start']>[1]][] = [
      ['EXPIRY', { expiryBootNs: soon }],
      ['RUN_TIME', { limits: { runTimeNs: (3n * SECOND) / 2n } }],
    ]
    const all = await Promise.all(ways.map(([, options]) => kept(options)))
    const latest = bootTimeNs() + 2n * SECOND
    for (const { pid } of all) process.kill(parentOf(pid), 'SIGSTOP')
    await handOver()
    const adopting = all.map(running => adopt(running).catch(error => error.code))
    await sleep(Number((latest - bootTimeNs()) / 1_000_000n) + 100)
    for (const { pid } of all) process.kill(parentOf(pid), 'SIGCONT')
    for (const code of await Promise.all(adopting)) expect(code).toMatch(/^(EXPIRED|ENDED)$/)
    const ends = await Promise.all(all.map(({ executionId }) => writd.ended(executionId)))
    expect(ends.map(({ cause }) => cause)).toEqual(ways.map(([cause]) => cause))
  })

  it('outlives neither what it was given at first nor what it is adopted with', async () => {
    const soon = () => bootTimeNs() + SECOND / 2n
    const given = await kept({ expiryBootNs: bootTimeNs() + 2n * SECOND })
    const [expires, ages, over] = [await kept(), await kept(), await kept()]
    await handOver()
    await adopt(given)
    await expect(adopt(over, { expiryBootNs: bootTimeNs() })).rejects.toMatchObject({ code: 'EXPIRED' })
    await expect(adopt(over, { maxEvidenceAgeNs: 1n })).rejects.toMatchObject({ code: 'LEASE_OVER' })
    expect(await states()).toMatchObject({ [over.executionId]: 'KEPT', [given.executionId]: 'RUNNING' })
    await adopt(expires, { expiryBootNs: soon() })
    await adopt(ages, { maxEvidenceAgeNs: soon() - writd.page.read().instantNs })
    expect((await writd.ended(expires.executionId)).cause).toBe('EXPIRY')
    expect((await writd.ended(ages.executionId)).cause).toBe('LEASE')
    expect((await writd.ended(given.executionId)).cause).toBe('EXPIRY')
  })

  it('has the launcher go by the earlier deadlines too when its supervisor hangs over the next restart', async () => {
    const running = await kept()
    await handOver()
    await adopt(running, { maxEvidenceAgeNs: bootTimeNs() - writd.page.read().instantNs + SECOND })
    await writd.client.keep(running.executionId, {})
    process.kill(parentOf(running.pid), 'SIGSTOP')
    await handOver()
    await until(() => writd.events.includes(`kill-sent ${running.executionId} LEASE`), 3000)
    process.kill(parentOf(running.pid), 'SIGCONT')
    expect((await writd.ended(running.executionId)).cause).toBe('LEASE')
  })

  it('ends by a lapse that comes while it is being adopted, at whatever step', async () => {
    const causes = new Set<string>()
    for (let i = 0; i < 24; i++) {
      const running = await kept()
      await handOver()
      const adopting = adopt(running).catch(error => error.code)
      const later = bootTimeNs() + BigInt(i) * 20_000n
      while (bootTimeNs() < later);
      const epoch = writd.page.lapse() - 1n
      writd.client.lapse(epoch)
      causes.add((await writd.ended(running.executionId)).cause)
      await adopting
      await next()
    }
    for (const cause of causes) expect(cause).toMatch(/^(LAPSE|EPOCH)$/)
  })

  it('waits for the next writd when the one that is adopting it goes', async () => {
    const running = await kept({ maxEvidenceAgeNs: 3n * SECOND })
    process.kill(parentOf(running.pid), 'SIGSTOP')
    await handOver()
    const lost = adopt(running).catch(error => error.code)
    await expect(adopt(running)).rejects.toMatchObject({ code: 'BAD_STATE' })
    await next()
    expect(await lost).toBe('DISCONNECTED')
    const left = adopt(running).catch(error => error.code)
    await handOver(LeasePage.create())
    expect(await left).toBe('BAD_STATE')
    expect(writd.client.features).toMatchObject({ kept: 1, superseded: 0 })
    const again = adopt(running)
    process.kill(parentOf(running.pid), 'SIGCONT')
    // What the supervisor says to the first ones, which it took, is no answer to this one.
    await expect(again).rejects.toMatchObject({ code: 'LEASE_OVER' })
    expect(await states()).toEqual({ [running.executionId]: 'KEPT' })
    writd.page.renew(1n, bootTimeNs())
    await adopt(running)
    expect(await states()).toEqual({ [running.executionId]: 'RUNNING' })
    // By this page and not by the one before, which was asked for first.
    writd.page.lapse()
    expect((await writd.ended(running.executionId)).cause).toBe('EPOCH')
  })

  it('is ended when its supervisor does not say whether it adopts', async () => {
    const running = await kept()
    process.kill(parentOf(running.pid), 'SIGSTOP')
    await handOver()
    const refused = adopt(running).catch(error => error.code)
    await until(() => writd.events.includes(`kill-sent ${running.executionId} SUPERVISOR_LOST`), 8000)
    expect(await refused).toBe('ENDED')
    process.kill(parentOf(running.pid), 'SIGCONT')
    await writd.ended(running.executionId)
  }, 15_000)

  it('takes orders while it is kept: a signal, a kill, and a lapse, which never holds it', async () => {
    const trap = "trap 'exit 7' USR1; echo up; while :; do sleep 0.01; done"
    const signalled = await writd.start(['/bin/sh', '-c', trap], PIPES)
    await new Promise(resolve => signalled.stdout?.once('data', resolve))
    await writd.client.keep(signalled.executionId, signalled.descriptors())
    const killed = await kept()
    const lapsed = await kept({ graceNs: 60n * SECOND })
    await handOver(freshPage())
    await writd.client.signal(signalled.executionId, 'SIGUSR1')
    expect(await writd.ended(signalled.executionId)).toMatchObject({ cause: 'EXITED', exitCode: 7 })
    writd.client.takeLastOutput(signalled.executionId)?.stdout?.destroy()
    writd.client.kill(killed.executionId, 'REVOKED')
    expect((await writd.ended(killed.executionId)).cause).toBe('REVOKED')
    await goesOn(lapsed)
    // Whatever its own epoch was: it is of no epoch of this page.
    writd.client.lapse(0n, true)
    expect((await writd.ended(lapsed.executionId)).cause).toBe('LAPSE')
  })

  it('tells the next writd of an end that comes between, with what was written last', async () => {
    const said = await writd.start(
      ['/bin/sh', '-c', 'read line; sleep 0.3; echo "$line"; echo wrong >&2; exit 5'],
      PIPES,
    )
    const early = await writd.start(['/bin/sh', '-c', 'read line; exit 6'], PIPES)
    for (const running of [said, early]) await writd.client.keep(running.executionId, running.descriptors())
    await new Promise(resolve => said.stdin?.write('last words\n', resolve))
    said.release()
    await writd.client.leave()
    early.stdin?.end('now\n')
    await until(() => host.leaves().length === 0)
    // Not to the one that has left, although it is still there.
    expect(writd.hasEnded(early.executionId)).toBe(false)
    await next()
    expect(await writd.ended(said.executionId)).toMatchObject({ cause: 'EXITED', exitCode: 5 })
    expect(await writd.ended(early.executionId)).toMatchObject({ cause: 'EXITED', exitCode: 6 })
    const output = writd.client.takeLastOutput(said.executionId)
    expect(await Promise.all([text(output?.stdout), text(output?.stderr)])).toEqual([
      'last words\n',
      'wrong\n',
    ])
    expect(writd.client.takeLastOutput(said.executionId)).toBeNull()
  })

  it('has no stream held open that writd closed and left out', async () => {
    const running = await writd.start(['/bin/cat'], PIPES)
    await writd.client.keep(running.executionId, running.descriptors())
    const before = openInLauncher()
    const { stdout, stderr } = running.descriptors()
    await writd.client.keep(running.executionId, { stdout: stdout ?? null, stderr: stderr ?? null })
    expect(openInLauncher()).toBe(before - 1)
    running.stdin?.end()
    expect(await running.ended).toMatchObject({ cause: 'EXITED', exitCode: 0 })
  })

  it('is kept with its children, which are adopted after it; what is not kept below it ends', async () => {
    const parent = await kept({ children: true })
    const child = await kept({ children: true, parentExecution: parent.executionId })
    const mortal = await writd.start(COUNT, { parentExecution: child.executionId, unread: true })
    const loose = await writd.start(COUNT, { children: true, unread: true })
    const below = await kept({ parentExecution: loose.executionId })
    await handOver()
    expect(writd.client.features.kept).toBe(2)
    expect((await writd.ended(mortal.executionId)).cause).toBe('SUPERSEDED')
    expect((await writd.ended(below.executionId)).cause).toBe('PARENT')
    await expect(adopt(child)).rejects.toMatchObject({ code: 'PARENT_ENDED' })
    const asked = writd.prepare(COUNT, { parentExecution: parent.executionId })
    await expect(asked).rejects.toMatchObject({ code: 'PARENT_ENDED' })
    await adopt(parent)
    await goesOn(child)
    await adopt(child)
    await end(parent)
    expect((await writd.ended(child.executionId)).cause).toBe('PARENT')
  })

  it('ends with its supervisor, and with its launcher, however that ends', async () => {
    const one = await kept()
    await handOver()
    process.kill(parentOf(one.pid), 'SIGKILL')
    expect((await writd.ended(one.executionId)).cause).toBe('SUPERVISOR_LOST')
    const two = await kept()
    const supervisor = parentOf(two.pid)
    process.kill(supervisor, 'SIGSTOP')
    await handOver()
    const adopting = adopt(two).catch(error => error.code)
    process.kill(supervisor, 'SIGKILL')
    expect(await adopting).toBe('ENDED')
    expect((await writd.ended(two.executionId)).cause).toBe('SUPERVISOR_LOST')
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const running = await kept()
      await handOver()
      await goesOn(running)
      await host.end(signal)
      await until(() => host.leaves().every(leaf => host.processes(leaf).length === 0))
      await host.start()
      await next()
      expect(host.leaves()).toEqual([])
      descriptorsBefore = openInLauncher()
    }
  })
})

async function text(stream: Readable | null | undefined): Promise<string> {
  let all = ''
  for await (const piece of stream ?? []) all += piece
  return all
}
