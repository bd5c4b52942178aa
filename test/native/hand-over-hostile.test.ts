import { closeSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { descriptorOf } from '../../daemon/launcher/descriptor-of.ts'
import { encodeAdopt, encodeKeep, encodeKill, encodeList, encodeNote } from '../../daemon/launcher/encode.ts'
import type { OpenDescriptors } from '../../daemon/launcher/types.ts'
import { MESSAGE } from '../../daemon/launcher/wire.ts'
import { bootTimeNs, sealedMemfd } from '../../daemon/native.ts'
import { seeded } from '../support/seeded.ts'
import {
  freshPage,
  isRoot,
  NO_EARLIER,
  newId,
  type Running,
  SECOND,
  sleep,
  TestHost,
  until,
  type Writd,
} from './host.ts'
import { Hostile } from './hostile.ts'

const PLACES = 24
const SLEEP = ['/bin/sleep', '300']
const PIPES = { stdio: { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' }, unread: true } as const

/** What a `writd` in somebody else's hands can do with a hand-over: docs/launcher.md. */
describe.skipIf(!isRoot)('a taken-over writd that hands over', () => {
  const host = new TestHost({ max_executions: String(PLACES) })
  let writd: Writd

  beforeAll(async () => {
    await host.start()
    writd = await host.connect()
  })
  afterAll(async () => {
    writd.client.close()
    await host.stop()
  })

  const next = async (): Promise<void> => {
    writd.client.close()
    writd = await host.connect()
  }
  const keep = ({ executionId }: { executionId: string }, open: OpenDescriptors) =>
    writd.client.keep(executionId, open).then(
      () => 'OK',
      error => [error.code, error.index],
    )
  const end = async ({ executionId }: { executionId: string }) => {
    writd.client.kill(executionId, 'TERMINATED')
    await writd.ended(executionId)
    writd.client.takeLastOutput(executionId)?.stdout?.destroy()
  }

  it('has the launcher hold nothing but what that made for this very execution', async () => {
    const running = await writd.start(SLEEP, { ...PIPES, children: true })
    const other = await writd.start(SLEEP, { ...PIPES, children: true })
    const typed = await writd.start(['/bin/sh'], { stdio: 'terminal', unread: true })
    const [own, its] = [pipesOf(running), pipesOf(other)]
    const terminal = typed.descriptors().terminal ?? -1
    const listening = [running.socket?.take() ?? -1, other.socket?.take() ?? -1]
    const file = join(host.directory, 'file')
    writeFileSync(file, '')
    const server = createServer().listen(0)
    await new Promise(resolve => server.once('listening', resolve))
    const wrong: [name: string, fd: number][] = [
      ['a file', openSync(file, 'r+')],
      ['a directory', openSync('/', 'r')],
      ['a device', openSync('/dev/null', 'r+')],
      ['its page', writd.page.fd],
      ['a memfd', sealedMemfd(Buffer.from('x'))],
      ['a listening socket', descriptorOf(server) ?? -1],
      ['a terminal of another', terminal],
      ['the socket of another', listening[1] ?? -1],
    ]
    const before = host.descriptors()
    for (const [name, fd] of wrong) {
      for (const stream of ['stdin', 'stdout', 'stderr', 'terminal', 'socket'] as const)
        expect([name, stream, await keep(running, { [stream]: fd })]).toEqual([
          name,
          stream,
          ['STREAM_REFUSED', 0],
        ])
      expect([name, await keep(typed, { terminal, socket: fd })]).toEqual([name, ['STREAM_REFUSED', 1]])
    }
    const swapped: [OpenDescriptors, number][] = [
      [{ stdin: its.stdin, stdout: own.stdout }, 0],
      [{ stdin: own.stdin, stdout: its.stdout }, 1],
      [{ stdout: own.stderr, stderr: own.stdout }, 0],
      [{ stdin: own.stdout }, 0],
      [{ stdout: own.stdin }, 0],
      [{ terminal: own.stdin }, 0],
      [{ ...own, socket: own.stdout }, 3],
      [{ socket: own.stdin }, 0],
    ]
    for (const [open, index] of swapped) expect(await keep(running, open)).toEqual(['STREAM_REFUSED', index])
    expect(await keep(typed, { stdin: terminal })).toEqual(['STREAM_REFUSED', 0])
    expect(host.descriptors()).toBe(before)
    // What was refused is not kept, not even without streams.
    await next()
    expect(writd.client.features).toMatchObject({ kept: 0, superseded: 3 })
    await until(() => host.leaves().length === 0)
    for (const [, fd] of wrong.filter((_, i) => i < 3 || i === 4)) closeSync(fd)
    for (const fd of listening) closeSync(fd)
    server.close()
  })

  it('cannot have its own end of the connection held, so that nobody would see it end', async () => {
    writd.client.close()
    await sleep(20)
    const others = sockets()
    writd = await host.connect()
    const own = sockets().filter(fd => !others.includes(fd))
    expect(own.length).toBe(1)
    const running = await writd.start(SLEEP, { children: true })
    expect(await keep(running, { socket: own[0] ?? -1 })).toEqual(['STREAM_REFUSED', 0])
    await end(running)
  })

  it('is refused orders at the wrong time, for what is not there, or not its own', async () => {
    const ready = await writd.prepare(SLEEP, PIPES)
    expect(await keep(ready, ready.descriptors())).toEqual(['BAD_STATE', null])
    writd.client.abandon(ready.executionId)
    const adopt = ({ executionId }: { executionId: string }) =>
      writd.client.adopt(executionId, writd.page.read().epoch, NO_EARLIER).then(
        () => 'OK',
        error => error.code,
      )
    const nobody = { executionId: newId() }
    expect([await keep(nobody, {}), await adopt(nobody)]).toEqual([
      ['UNKNOWN_EXECUTION', null],
      'UNKNOWN_EXECUTION',
    ])
    const running = await writd.start(SLEEP, { ...PIPES, graceNs: 60n * SECOND })
    expect(await adopt(running)).toBe('BAD_STATE')
    expect(await keep(running, {})).toBe('OK')
    expect(await adopt(running)).toBe('BAD_STATE')
    // Kept by the one before, it takes nothing of this one's; adopted, it can be kept again.
    await next()
    expect(await keep(running, {})).toEqual(['BAD_STATE', null])
    expect(await adopt(running)).toBe('OK')
    expect(await adopt(running)).toBe('BAD_STATE')
    expect(await keep(running, {})).toBe('OK')
    const epoch = writd.page.lapse()
    writd.page.renew(epoch, bootTimeNs())
    writd.client.lapse(epoch - 1n, true)
    expect([await keep(running, {}), await adopt(running)]).toEqual([['BAD_STATE', null], 'BAD_STATE'])
    // What stands still has nobody left to let it go on, whatever was said before.
    await next()
    await until(() => host.leaves().length === 0)
    expect(writd.client.features.kept).toBe(0)
  })

  it('says nothing more after it has left', async () => {
    const running = await writd.start(SLEEP, PIPES)
    writd.client.close()
    await sleep(20)
    const hostile = await new Hostile(host.socket, freshPage()).greet()
    expect((await hostile.ask(MESSAGE.leave, Buffer.alloc(0))).code).toBe('OK')
    const orders: [number, Buffer, number[]][] = [
      [MESSAGE.list, encodeList(0), []],
      [MESSAGE.kill, encodeKill(running.executionId, 'TERMINATED'), []],
      [MESSAGE.adopt, encodeAdopt(running.executionId, 1n, NO_EARLIER), []],
      [MESSAGE.note, encodeNote(running.executionId, 1n), []],
      [MESSAGE.hello, Buffer.alloc(0), [hostile.page.fd]],
      [MESSAGE.leave, Buffer.alloc(0), []],
    ]
    for (const [type, body, along] of orders)
      expect([type, (await hostile.ask(type, body, along)).code]).toEqual([type, 'NOT_GREETED'])
    hostile.close()
    await sleep(20)
    writd = await host.connect()
    await until(() => host.leaves().length === 0)
  })

  it('is refused each order that is cut, too long, or has other descriptors than it says', async () => {
    const running = await writd.start(SLEEP, PIPES)
    const open = running.descriptors()
    await keep(running, open)
    writd.client.close()
    await sleep(20)
    const hostile = await new Hostile(host.socket, freshPage()).greet()
    const kept = encodeKeep(running.executionId, open)
    for (const [type, body, along] of [
      [MESSAGE.keep, kept.body, kept.descriptors],
      [MESSAGE.adopt, encodeAdopt(running.executionId, 1n, NO_EARLIER), []],
      [MESSAGE.note, encodeNote(running.executionId, 1n), []],
      [MESSAGE.leave, Buffer.alloc(0), []],
    ] as const) {
      const bodies = [body.subarray(0, -1), Buffer.concat([body, Buffer.alloc(1)])]
      for (const wrong of bodies.filter(({ length }) => length !== body.length))
        expect([type, (await hostile.ask(type, wrong, [...along])).code]).toEqual([type, 'MALFORMED'])
      const numbers = [...along.slice(1), ...(along.length > 0 ? [] : [hostile.page.fd])]
      expect([type, (await hostile.ask(type, body, numbers)).code]).toEqual([type, 'MALFORMED'])
      expect([type, (await hostile.ask(type, body, [...along, hostile.page.fd])).code]).toEqual([
        type,
        'MALFORMED',
      ])
    }
    // A number is remembered for what runs and is its own alone.
    const note = async (id: string) => (await hostile.ask(MESSAGE.note, encodeNote(id, 7n))).code
    expect([await note(newId()), await note(running.executionId)]).toEqual(['UNKNOWN_EXECUTION', 'BAD_STATE'])
    hostile.close()
    await sleep(20)
    writd = await host.connect()
    expect(writd.client.features.kept).toBe(1)
    const adopted = await writd.client.adopt(running.executionId, writd.page.read().epoch, NO_EARLIER)
    expect(adopted.noted).toBe(0)
    await end(running)
  })

  it('fills the places that there are, and no more; what it left goes with what was left', async () => {
    await until(() => host.leaves().length === 0)
    const before = host.descriptors()
    const all: Running[] = []
    for (let i = 0; i < PLACES; i++) all.push(await writd.start(SLEEP, PIPES))
    for (let again = 0; again < 3; again++)
      for (const running of all) expect(await keep(running, running.descriptors())).toBe('OK')
    await next()
    expect(writd.client.features).toMatchObject({ kept: PLACES, superseded: 0 })
    await expect(writd.start(SLEEP)).rejects.toMatchObject({ code: 'CAPACITY' })
    await Promise.all(all.map(end))
    for (const running of all) running.release()
    await until(() => host.descriptors() <= before)
  })

  it('in whatever order it gives these orders, owns what it started or adopted, and nothing is left in the end', async () => {
    await until(() => host.leaves().length === 0)
    const before = host.descriptors()
    const number = seeded(20261122)
    const random = (below: number) => Math.floor(number() * below)
    /** What the launcher is to hold: of each, whether the writd of now owns it, and whether it is to be kept. */
    const model = new Map<string, { own: boolean; keep: boolean; open: OpenDescriptors }>()
    const restart = async (left: boolean) => {
      if (left) await writd.client.leave()
      await next()
      for (const [id, state] of model) {
        if (state.own && !state.keep) model.delete(id)
        else state.own = false
      }
      expect(writd.client.features.kept).toBe(model.size)
    }
    for (let step = 0; step < 200; step++) {
      const [executionId, state] = [...model][random(Math.max(1, model.size))] ?? [newId(), undefined]
      const action = random(8)
      if (action === 0 || (state === undefined && action < 6)) {
        if (model.size === PLACES - 4) continue
        const running = await writd.start(SLEEP, PIPES)
        model.set(running.executionId, { own: true, keep: false, open: running.descriptors() })
      } else if (state !== undefined && action <= 2) {
        const asked = writd.client.keep(executionId, state.open)
        if (state.own) await asked
        else await expect(asked).rejects.toMatchObject({ code: 'BAD_STATE' })
        state.keep ||= state.own
      } else if (state !== undefined && action <= 4) {
        const asked = writd.client.adopt(executionId, writd.page.read().epoch, NO_EARLIER)
        if (state.own) await expect(asked).rejects.toMatchObject({ code: 'BAD_STATE' })
        else model.set(executionId, { own: true, keep: false, open: (await asked).descriptors() })
      } else if (state !== undefined && action === 5) {
        await end({ executionId })
        model.delete(executionId)
      } else {
        await restart(action === 6)
      }
      const listed = (await writd.client.list()).filter(({ state }) => /RUNNING|KEPT/.test(state))
      expect(Object.fromEntries(listed.map(({ executionId, state }) => [executionId, state]))).toEqual(
        Object.fromEntries([...model].map(([id, { own }]) => [id, own ? 'RUNNING' : 'KEPT'])),
      )
    }
    for (const executionId of model.keys()) await end({ executionId })
    await until(() => host.leaves().length === 0)
    await until(() => host.descriptors() <= before)
  })
})

/** The descriptors of three pipes. */
function pipesOf(running: Running): { stdin: number; stdout: number; stderr: number } {
  const { stdin, stdout, stderr } = running.descriptors()
  return { stdin: stdin ?? -1, stdout: stdout ?? -1, stderr: stderr ?? -1 }
}

/** This process's sockets. */
function sockets(): number[] {
  const isSocket = (fd: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false // of the look itself
    }
  }
  return readdirSync('/proc/self/fd').filter(isSocket).map(Number)
}
