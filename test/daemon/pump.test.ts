import { type ChildProcess, spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Input, Output } from '../../daemon/pump.ts'
import { counted } from './support/counted-streams.ts'
import { streams } from './support/world.ts'

/** A real workload on real pipes. */
function program(script: string): ChildProcess {
  const child = spawn('/bin/sh', ['-c', script], { stdio: 'pipe' })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

/** Bytes that a process has written so far. */
function written({ pid }: ChildProcess): number {
  return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1])
}

/** A caller that gives this. */
function giving(
  stdin: AsyncIterable<Buffer>,
  told: { taken: number; closed: number } = { taken: 0, closed: 0 },
) {
  return {
    stdin,
    stdinTaken: (bytes: number) => {
      told.taken += bytes
    },
    stdinClosed: () => void told.closed++,
  }
}

const text = async (child: ChildProcess): Promise<string> =>
  (await child.stdout?.toArray())?.map(String).join('') ?? ''

describe('input', () => {
  test('goes no faster than the workload takes it, and arrives whole', async () => {
    const child = program('read line; sha256sum')
    const piece = Buffer.alloc(64 << 10, 'abc')
    let given = 0
    const input = (async function* () {
      yield Buffer.alloc(1 << 20, 'x')
      for (; given < 100; given++) yield piece
    })()
    const pumped = new Input(giving(input), child.stdin).pump()
    await new Promise(resolve => setTimeout(resolve, 150))
    // The first megabyte has no line end, so the shell still reads it byte by byte.
    expect(given).toBeLessThan(20)
    child.kill('SIGKILL')
    await pumped

    const whole = program('sleep 0.1; sha256sum')
    const source = (async function* () {
      for (let i = 0; i < 100; i++) yield piece
    })()
    void new Input(giving(source), whole.stdin).pump()
    expect(await text(whole)).toContain(hash('sha256', Buffer.concat(Array(100).fill(piece))))
  })

  test('that ends ends the workload’s', async () => {
    const child = program('cat; echo end')
    await new Input(giving((async function* () {})()), child.stdin).pump()
    expect(await text(child)).toBe('end\n')
  })

  test('that nobody reads is taken and dropped: no error, no waiting', async () => {
    const child = program('exec <&-; sleep 5')
    let taken = 0
    const input = (async function* () {
      for (; taken < 50; taken++) yield Buffer.alloc(64 << 10)
    })()
    await new Promise(resolve => setTimeout(resolve, 50))
    const told = { taken: 0, closed: 0 }
    await new Input(giving(input, told), child.stdin).pump()
    expect(taken).toBe(50)
    // What is dropped is not the workload's: it stays charged to the caller.
    expect(told.closed).toBe(1)
    expect(told.taken).toBeLessThan(200_000)
    const nobody = { taken: 0, closed: 0 }
    const nine = (async function* () {
      yield Buffer.alloc(9)
    })()
    await new Input(giving(nine, nobody), null).pump()
    expect(nobody).toEqual({ taken: 0, closed: 0 })
  })

  test('of a call that breaks ends the workload’s all the same', async () => {
    const child = program('cat; echo end')
    const input = (async function* () {
      yield Buffer.from('half')
      throw new Error('the call is over')
    })()
    await new Input(giving(input), child.stdin).pump()
    expect(await text(child)).toBe('halfend\n')
  })
})

describe('output', () => {
  test('is held back in the workload while the caller does not read', async () => {
    const child = program('exec head -c 8000000 /dev/zero')
    const reader = Promise.withResolvers<void>()
    let got = 0
    const given = streams({
      output: async (_, bytes) => {
        await reader.promise
        got += bytes.length
      },
    })
    const output = new Output(given, { stdout: child.stdout, stderr: child.stderr }, 1e9, () => undefined)
    output.begin()
    await new Promise(resolve => setTimeout(resolve, 200))
    // One piece at the caller, one buffer of the stream, and the kernel's.
    expect(written(child)).toBeLessThan(1_000_000)
    expect(got).toBe(0)
    reader.resolve()
    await output.finished()
    expect(got).toBe(8_000_000)
  })

  test('reaches a slow reader whole and in order, also after the workload has ended', async () => {
    const child = program('seq 1 60000; echo done >&2')
    const out: Buffer[] = []
    const err: Buffer[] = []
    const given = streams({
      output: async (stream, bytes) => {
        await new Promise(resolve => setTimeout(resolve, 5))
        ;(stream === 'stdout' ? out : err).push(Buffer.from(bytes))
      },
    })
    const output = new Output(given, { stdout: child.stdout, stderr: child.stderr }, 1e9, () => undefined)
    const gone = new Promise(resolve => child.once('exit', resolve))
    output.begin()
    await gone
    await output.finished()
    expect(Buffer.concat(out).toString()).toBe(
      `${Array.from({ length: 60000 }, (_, i) => i + 1).join('\n')}\n`,
    )
    expect(Buffer.concat(err).toString()).toBe('done\n')
  })

  test.each([
    [10, 1],
    [100_000, 1],
    [200_000, 0],
    [199_999, 1],
  ])('up to %i bytes of 200,000 is given; passing the limit is said %i times', async (limit, times) => {
    const child = program('head -c 100000 /dev/zero; head -c 100000 /dev/zero >&2')
    const given = counted()
    let said = 0
    const output = new Output(
      given.streams,
      { stdout: child.stdout, stderr: child.stderr },
      limit,
      () => said++,
    )
    output.begin()
    await output.finished()
    expect([given.stdout + given.stderr, said]).toEqual([Math.min(limit, 200_000), times])
  })

  test('beyond the limit is not read: who goes on writing has nobody to write to', async () => {
    const child = program('exec cat /dev/zero')
    const gone = new Promise(resolve => child.once('exit', resolve))
    const output = new Output(streams(), { stdout: child.stdout, stderr: null }, 10, () => undefined)
    output.begin()
    await output.finished()
    // SIGPIPE, or EPIPE where that is ignored.
    expect(await gone).not.toBe(0)
  })

  test('beyond the limit is said before the caller has read what is within it', async () => {
    const child = program('head -c 100000 /dev/zero')
    const said = Promise.withResolvers<void>()
    const given = streams({ output: () => said.promise })
    const output = new Output(given, { stdout: child.stdout, stderr: null }, 10, said.resolve)
    output.begin()
    await output.finished()
  })

  test('that is discarded lets go of the pipes', async () => {
    const child = program('yes')
    const output = new Output(streams(), { stdout: child.stdout, stderr: child.stderr }, 10, () => undefined)
    output.discard()
    expect(child.stdout?.destroyed).toBe(true)
    await new Promise(resolve => child.once('exit', resolve))
  })
})
