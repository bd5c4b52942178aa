import { type ChildProcess, spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Input, Output } from '../../daemon/pump.ts'
import { StreamDigests } from '../../daemon/stream-digests.ts'
import { streams } from './support/world.ts'

/** A real workload on real pipes. */
function program(script: string): ChildProcess {
  const child = spawn('/bin/sh', ['-c', script], { stdio: 'pipe' })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

const digestOf = (bytes: Buffer | string) => ({ sha256: hash('sha256', bytes), bytes: bytes.length })

/** Carries a program's streams as the executor does, and says what was hashed once it is dead. */
async function run(
  script: string,
  {
    stdin = (async function* () {})(),
    limit = 1 << 30,
    taken = async () => undefined,
    caller = new AbortController(),
  }: {
    stdin?: AsyncIterable<Buffer>
    limit?: number
    taken?: (bytes: Buffer) => Promise<undefined>
    caller?: AbortController
  } = {},
) {
  const child = program(script)
  const digests = new StreamDigests(caller.signal)
  const out: Buffer[] = []
  void new Input(
    { stdin, stdinTaken: () => undefined, stdinClosed: () => undefined },
    child.stdin,
    digests.input(),
  ).pump()
  const output = new Output(
    streams({
      output: async (_, bytes) => {
        out.push(bytes)
        await taken(bytes)
      },
    }),
    { stdout: child.stdout, stderr: child.stderr },
    limit,
    () => child.kill('SIGKILL'),
    undefined,
    (name, readable) => digests.output(name, readable),
  )
  output.begin()
  await once(child, 'exit')
  return { settled: await digests.settle(), output, out }
}

describe('digests of streams', () => {
  test('are those of all that went through, and change nothing of it', async () => {
    const input = Buffer.alloc(300_000, 'input ')
    const { settled, output, out } = await run('cat; printf oops >&2', {
      stdin: (async function* () {
        for (let at = 0; at < input.length; at += 70_000) yield input.subarray(at, at + 70_000)
      })(),
    })
    await output.finished()
    expect(settled).toEqual({ stdin: digestOf(input), stdout: digestOf(input), stderr: digestOf('oops') })
    expect(Buffer.concat(out).length).toBe(input.length + 4)
  })

  test('of streams that stay empty are those of nothing', async () => {
    const { settled } = await run('cat')
    expect(settled).toEqual({ stdin: digestOf(''), stdout: digestOf(''), stderr: digestOf('') })
  })

  test('do not wait for a caller that reads slowly, who still gets all of it', async () => {
    const caller = Promise.withResolvers<undefined>()
    const { settled, output, out } = await run('head -c 60000 /dev/zero; sleep 0.1; printf end', {
      taken: () => caller.promise,
    })
    const written = Buffer.concat([Buffer.alloc(60_000), Buffer.from('end')])
    expect(settled.stdout).toEqual(digestOf(written))
    expect(Buffer.concat(out).length).toBeLessThan(written.length)
    caller.resolve(undefined)
    await output.finished()
    expect(Buffer.concat(out)).toEqual(written)
  })

  test('a caller that reads slowly holds the workload back as before', async () => {
    const child = program('head -c 5000000 /dev/zero')
    const digests = new StreamDigests(new AbortController().signal)
    let given = 0
    const output = new Output(
      streams({
        output: (_, bytes) => {
          given += bytes.length
          return new Promise(() => undefined)
        },
      }),
      { stdout: child.stdout, stderr: null },
      1 << 30,
      () => undefined,
      undefined,
      (name, readable) => digests.output(name, readable),
    )
    output.begin()
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(child.exitCode).toBeNull()
    expect(given).toBeGreaterThan(0)
    expect(given).toBeLessThan(1 << 18)
  })

  test('there is none of an output that was cut at the limit', async () => {
    const { settled } = await run('while :; do echo x; done', { limit: 1000 })
    expect(settled.stdout).toBeNull()
    expect(settled.stderr).toEqual(digestOf(''))
  })

  test('there is none of an input that the workload did not take to its end', async () => {
    const endless = (async function* () {
      for (;;) {
        yield Buffer.alloc(1 << 16)
        await new Promise(resolve => setTimeout(resolve, 1))
      }
    })()
    expect((await run('head -c 10 >/dev/null', { stdin: endless })).settled.stdin).toBeNull()
    const never = (async function* () {
      yield Buffer.from('begun')
      await new Promise(() => undefined)
    })()
    expect((await run('head -c 5 >/dev/null', { stdin: never })).settled.stdin).toBeNull()
  })

  test('there is none of the input of a caller that is gone', async () => {
    const caller = new AbortController()
    caller.abort()
    const { settled } = await run('cat', { caller })
    expect(settled.stdin).toBeNull()
    expect(settled.stdout).toEqual(digestOf(''))
  })

  test('what has a descriptor of a dead workload’s pipe does not hold up its end for long, nor fill the memory', async () => {
    // The pipe's other end is somebody else's now.
    const pipe = new PassThrough()
    const digests = new StreamDigests(new AbortController().signal)
    const output = new Output(
      streams({ output: () => new Promise(() => undefined) }),
      { stdout: pipe, stderr: null },
      1 << 30,
      () => undefined,
      undefined,
      (name, readable) => digests.output(name, readable),
    )
    output.begin()
    for (let i = 0; i < 100; i++) pipe.write(Buffer.alloc(1 << 16))
    const before = performance.now()
    expect(await digests.settle()).toEqual({ stdin: null, stdout: null, stderr: null })
    expect(performance.now() - before).toBeLessThan(3000)
    expect(pipe.readableLength + pipe.writableLength).toBeGreaterThan(3 << 20)
  })
})
