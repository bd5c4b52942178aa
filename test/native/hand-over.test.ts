import { connect, createServer } from 'node:net'
import type { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { descriptorOf } from '../../daemon/launcher/descriptor-of.ts'
import type { Prepared } from '../../daemon/launcher/types.ts'
import { bootTimeNs } from '../../daemon/native.ts'
import { freshPage, isRoot, parentOf, SECOND, sleep, until } from './host.ts'
import { COUNT, PIPES, Succession } from './succession.ts'

/** What runs while one writd goes and the next one comes. */
describe.skipIf(!isRoot)('what is handed over', () => {
  const runs = new Succession()
  beforeAll(() => runs.host.start())
  beforeEach(() => runs.begin())
  afterEach(() => runs.over())
  afterAll(() => runs.host.stop())

  it('goes on as the same process, and of its streams nothing is lost and nothing comes twice', async () => {
    let running: Prepared & { executionId: string } = await runs.writd.start(['/bin/cat'], PIPES)
    const { executionId, pid, uid, cgroup } = running
    const sent = Array.from({ length: 4000 }, (_, i) => `${i} `.repeat(100)).join('\n')
    let [came, taken] = ['', 0]
    const listen = () => running.stdout?.on('data', (piece: Buffer) => (came += piece))
    for (let i = 0; i < 6; i++) {
      listen()
      running.stdin?.write(sent.slice(taken, taken + 600_000))
      // In the middle of it: what waits in the pipes, and what waits for room in them.
      await sleep(2 * i)
      await runs.writd.client.keep(executionId, running.descriptors())
      const before = running
      const { stdinBytes, stdout } = before.release()
      taken += stdinBytes
      came += Buffer.concat(stdout)
      await runs.handOver()
      expect(runs.writd.client.features).toMatchObject({ kept: 1, superseded: 0 })
      expect(runs.writd.client.features.features).toContain('keep')
      expect(await runs.states()).toEqual({ [executionId]: 'KEPT' })
      running = { ...(await runs.adopt(before)), executionId }
      expect(running).toMatchObject({
        pid,
        uid,
        cgroup,
        socket: null,
        resize: null,
        noted: i === 0 ? 0 : i * 1000 - 500,
      })
      runs.writd.client.note(executionId, 3)
      runs.writd.client.note(executionId, (i + 1) * 1000 - 500)
      expect(await runs.states()).toEqual({ [executionId]: 'RUNNING' })
    }
    expect(taken).toBeGreaterThan(600_000)
    listen()
    const ended = new Promise(resolve => running.stdout?.once('end', resolve))
    running.stdin?.end(sent.slice(taken))
    expect(await runs.writd.ended(executionId)).toMatchObject({ cause: 'EXITED', exitCode: 0 })
    await ended
    expect(came.length).toBe(sent.length)
    expect(came === sent).toBe(true)
  })

  it('has its terminal, and the socket that it asks for children on', async () => {
    const shell = await runs.writd.start(['/bin/sh'], { stdio: 'terminal', unread: true })
    const parent = await runs.writd.start(['/bin/sleep', '300'], { ...PIPES, children: true })
    const listening = createServer().listen({ fd: parent.socket?.take() ?? -1 })
    await new Promise(resolve => listening.once('listening', resolve))
    await runs.writd.client.keep(shell.executionId, shell.descriptors())
    const socket = descriptorOf(listening)
    await runs.writd.client.keep(parent.executionId, { ...parent.descriptors(), socket })
    shell.release()
    parent.release()
    await runs.handOver()
    listening.close()
    const terminal = await runs.adopt(shell)
    terminal.resize?.({ rows: 31, columns: 77 })
    terminal.stdin?.write('stty size; exit 3\n')
    expect(await text(terminal.stdout)).toContain('31 77')
    expect((await runs.writd.ended(shell.executionId)).exitCode).toBe(3)
    const adopted = await runs.adopt(parent)
    const heard = Promise.withResolvers<void>()
    const server = createServer(() => heard.resolve()).listen({ fd: adopted.socket?.take() ?? -1 })
    const client = connect(`/proc/${parent.pid}/root/run/writ/parent.sock`)
    await heard.promise
    client.destroy()
    server.close()
    // It may be a parent again, now that it has been adopted.
    const child = await runs.writd.start(COUNT, { parentExecution: parent.executionId, unread: true })
    await runs.end(parent)
    expect((await child.ended).cause).toBe('PARENT')
  })

  it('is what was said to be kept, and nothing else', async () => {
    const one = await runs.kept()
    const other = await runs.writd.start(COUNT, { unread: true })
    await runs.handOver()
    expect(runs.writd.client.features).toMatchObject({ kept: 1, superseded: 1 })
    expect((await runs.writd.ended(other.executionId)).cause).toBe('SUPERSEDED')
    await runs.goesOn(one)
    // Another writd that adopts nothing changes nothing.
    await runs.next()
    expect(runs.writd.client.features).toMatchObject({ kept: 1, superseded: 0 })
    await runs.goesOn(one)
    await runs.adopt(one)
    await runs.goesOn(one)
    // From here on it belongs to the writd that adopted it, and ends with that.
    await runs.next()
    expect((await runs.writd.ended(one.executionId)).cause).toBe('SUPERSEDED')
  })

  it('is kept over a crash as well, where that was said', async () => {
    const running = await runs.kept()
    await runs.next()
    await runs.goesOn(running)
    await runs.adopt(running)
    await runs.writd.client.keep(running.executionId, {})
    await runs.next()
    await runs.adopt(running)
    await runs.goesOn(running)
    await runs.end(running)
  })

  it('dies by the lease that it had when nobody adopts it, and is not held then', async () => {
    const running = await runs.kept({ maxEvidenceAgeNs: SECOND, graceNs: 60n * SECOND })
    const until = runs.writd.page.read().instantNs + SECOND
    await runs.handOver()
    const { cause, bootNs } = await runs.writd.ended(running.executionId)
    expect(cause).toBe('LEASE')
    expect(bootNs - until).toBeLessThan(SECOND / 2n)
    expect(runs.writd.events.some(event => event.startsWith('held'))).toBe(false)
    await expect(runs.adopt(running)).rejects.toMatchObject({ code: 'UNKNOWN_EXECUTION' })
  })

  it('dies by the lease that it had when its supervisor hangs, and is not adopted afterwards', async () => {
    const running = await runs.kept({ maxEvidenceAgeNs: SECOND })
    const supervisor = parentOf(running.pid)
    process.kill(supervisor, 'SIGSTOP')
    await runs.handOver()
    await until(() => runs.writd.events.includes(`kill-sent ${running.executionId} LEASE`), 3000)
    await expect(runs.adopt(running)).rejects.toMatchObject({ code: 'ENDED' })
    process.kill(supervisor, 'SIGCONT')
    expect((await runs.writd.ended(running.executionId)).cause).toBe('LEASE')
  })

  it('is ended at once when its supervisor hangs and the epoch that it belongs to is over', async () => {
    const running = await runs.kept()
    const supervisor = parentOf(running.pid)
    process.kill(supervisor, 'SIGSTOP')
    // The page goes on, with evidence of now: in another epoch.
    runs.writd.page.renew(runs.writd.page.lapse(), bootTimeNs())
    await runs.handOver()
    try {
      await until(() => runs.host.processes(running.executionId).length === 0, 2000)
      await expect(runs.adopt(running)).rejects.toMatchObject({ code: 'ENDED' })
    } finally {
      process.kill(supervisor, 'SIGCONT')
    }
    // As the launcher saw it: its supervisor would have said EPOCH.
    expect((await runs.writd.ended(running.executionId)).cause).toBe('LEASE')
  })

  it('takes orders while it is kept: a signal, a kill, and a lapse, which never holds it', async () => {
    const trap = "trap 'exit 7' USR1; echo up; while :; do sleep 0.01; done"
    const signalled = await runs.writd.start(['/bin/sh', '-c', trap], PIPES)
    await new Promise(resolve => signalled.stdout?.once('data', resolve))
    await runs.writd.client.keep(signalled.executionId, signalled.descriptors())
    const killed = await runs.kept()
    const lapsed = await runs.kept({ graceNs: 60n * SECOND })
    await runs.handOver(freshPage())
    await runs.writd.client.signal(signalled.executionId, 'SIGUSR1')
    expect(await runs.writd.ended(signalled.executionId)).toMatchObject({ cause: 'EXITED', exitCode: 7 })
    runs.writd.client.takeLastOutput(signalled.executionId)?.stdout?.destroy()
    runs.writd.client.kill(killed.executionId, 'REVOKED')
    expect((await runs.writd.ended(killed.executionId)).cause).toBe('REVOKED')
    await runs.goesOn(lapsed)
    // Whatever its own epoch was: it is of no epoch of this page.
    runs.writd.client.lapse(0n, true)
    expect((await runs.writd.ended(lapsed.executionId)).cause).toBe('LAPSE')
  })

  it('tells the next writd of an end that comes between, with what was written last', async () => {
    const said = await runs.writd.start(
      ['/bin/sh', '-c', 'read line; sleep 0.3; echo "$line"; echo wrong >&2; exit 5'],
      PIPES,
    )
    const early = await runs.writd.start(['/bin/sh', '-c', 'read line; exit 6'], PIPES)
    for (const running of [said, early])
      await runs.writd.client.keep(running.executionId, running.descriptors())
    await new Promise(resolve => said.stdin?.write('last words\n', resolve))
    said.release()
    await runs.writd.client.leave()
    early.stdin?.end('now\n')
    await until(() => runs.host.leaves().length === 0)
    // Not to the one that has left, although it is still there.
    expect(runs.writd.hasEnded(early.executionId)).toBe(false)
    await runs.next()
    expect(await runs.writd.ended(said.executionId)).toMatchObject({ cause: 'EXITED', exitCode: 5 })
    expect(await runs.writd.ended(early.executionId)).toMatchObject({ cause: 'EXITED', exitCode: 6 })
    const output = runs.writd.client.takeLastOutput(said.executionId)
    expect(await Promise.all([text(output?.stdout), text(output?.stderr)])).toEqual([
      'last words\n',
      'wrong\n',
    ])
    expect(runs.writd.client.takeLastOutput(said.executionId)).toBeNull()
  })

  it('has no stream held open that writd closed and left out', async () => {
    const running = await runs.writd.start(['/bin/cat'], PIPES)
    await runs.writd.client.keep(running.executionId, running.descriptors())
    const before = await runs.host.settledDescriptors()
    const { stdout, stderr } = running.descriptors()
    await runs.writd.client.keep(running.executionId, { stdout: stdout ?? null, stderr: stderr ?? null })
    expect(await runs.host.settledDescriptors()).toBe(before - 1)
    running.stdin?.end()
    expect(await running.ended).toMatchObject({ cause: 'EXITED', exitCode: 0 })
  })

  it('is kept with its children, which are adopted after it; what is not kept below it ends', async () => {
    const parent = await runs.kept({ children: true })
    const child = await runs.kept({ children: true, parentExecution: parent.executionId })
    const mortal = await runs.writd.start(COUNT, { parentExecution: child.executionId, unread: true })
    const loose = await runs.writd.start(COUNT, { children: true, unread: true })
    const below = await runs.kept({ parentExecution: loose.executionId })
    await runs.handOver()
    expect(runs.writd.client.features.kept).toBe(2)
    expect((await runs.writd.ended(mortal.executionId)).cause).toBe('SUPERSEDED')
    expect((await runs.writd.ended(below.executionId)).cause).toBe('PARENT')
    await expect(runs.adopt(child)).rejects.toMatchObject({ code: 'PARENT_ENDED' })
    const asked = runs.writd.prepare(COUNT, { parentExecution: parent.executionId })
    await expect(asked).rejects.toMatchObject({ code: 'PARENT_ENDED' })
    await runs.adopt(parent)
    await runs.goesOn(child)
    await runs.adopt(child)
    await runs.end(parent)
    expect((await runs.writd.ended(child.executionId)).cause).toBe('PARENT')
  })

  it('ends with its supervisor, and with its launcher, however that ends', async () => {
    const one = await runs.kept()
    await runs.handOver()
    process.kill(parentOf(one.pid), 'SIGKILL')
    expect((await runs.writd.ended(one.executionId)).cause).toBe('SUPERVISOR_LOST')
    const two = await runs.kept()
    const supervisor = parentOf(two.pid)
    process.kill(supervisor, 'SIGSTOP')
    await runs.handOver()
    const adopting = runs.adopt(two).catch(error => error.code)
    process.kill(supervisor, 'SIGKILL')
    expect(await adopting).toBe('ENDED')
    expect((await runs.writd.ended(two.executionId)).cause).toBe('SUPERVISOR_LOST')
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const running = await runs.kept()
      await runs.handOver()
      await runs.goesOn(running)
      await runs.host.end(signal)
      await until(() => runs.host.leaves().every(leaf => runs.host.processes(leaf).length === 0))
      await runs.host.start()
      await runs.next()
      expect(runs.host.leaves()).toEqual([])
      runs.counted()
    }
  })
})

async function text(stream: Readable | null | undefined): Promise<string> {
  let all = ''
  for await (const piece of stream ?? []) all += piece
  return all
}
