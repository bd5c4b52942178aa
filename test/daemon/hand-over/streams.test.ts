import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Input, Output } from '../../../daemon/pump.ts'
import { streams } from '../support/world.ts'
import { KeptWorkload } from './kept-workload.ts'

function workload(script: string): KeptWorkload {
  const kept = new KeptWorkload(script)
  onTestFinished(() => kept.end())
  return kept
}

/** Bytes that are different everywhere. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE((i * 2654435761) >>> 0, i)
  return bytes
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

/** A caller's input from here on, in pieces; it does not end. */
async function* from(bytes: Buffer, at: number, end: boolean): AsyncGenerator<Buffer, void, undefined> {
  for (; at < bytes.length; at += 50_000) {
    yield bytes.subarray(at, at + 50_000)
    await new Promise(setImmediate)
  }
  if (!end) await new Promise(() => undefined)
}

describe('streams that are handed over', () => {
  // What reads slowly keeps the pipe full, so that pieces go into it by halves.
  test.each([
    ['fast', 'exec cat'],
    ['by halves', 'exec dd bs=3001 status=none'],
    ['slow', 'while dd bs=70000 count=1 iflag=fullblock status=none | cat >&2 && sleep 0.01; do :; done'],
  ])(
    'carry every byte once, both ways, %s',
    async (_, script) => {
      const all = pattern(script.startsWith('while') ? 2_100_000 : 8_000_000)
      const kept = workload(script)
      const got: Buffer[] = []
      const caller = streams({
        output: async (_, bytes) => {
          if (got.length % 7 === 0) await new Promise(setImmediate)
          got.push(Buffer.from(bytes))
          come += bytes.length
          if (come >= wanted) reached()
        },
      })
      let come = 0
      let wanted = 0
      let reached: () => void = () => undefined
      let written = 0
      let given = 0
      let rounds = 0
      for (; given < all.length; rounds++) {
        const opened = kept.adopt()
        const input = new Input({ ...caller, stdin: from(all, written, false) }, opened.stdin, null, written)
        const output = new Output(caller, opened, 1e9, () => undefined, undefined, undefined, given)
        void input.pump()
        output.begin()
        // However fast the machine is: a fifth of it at most comes before it is let go of.
        wanted = Math.min(all.length, given + 1 + Math.floor((Math.random() * all.length) / 5))
        await new Promise<void>(resolve => {
          reached = resolve
          if (come >= wanted) resolve()
        })
        const released = opened.release()
        const before = written
        written = input.handOver(released.stdinBytes)
        given = (await output.handOver(released)) ?? Number.NaN
        expect(given).toBe(got.reduce((sum, { length }) => sum + length, 0))
        expect(written).toBeGreaterThanOrEqual(before)
      }
      expect(rounds).toBeGreaterThan(3)
      expect(digest(Buffer.concat(got))).toBe(digest(all))
    },
    60_000,
  )

  test('say that what nobody reads is not to be sent again', async () => {
    const kept = workload('exec <&-; sleep 5')
    const opened = kept.adopt()
    let closed = 0
    const caller = {
      ...streams({ stdinClosed: () => void closed++ }),
      stdin: from(pattern(400_000), 0, true),
    }
    const input = new Input(caller, opened.stdin, null, 1000)
    // The test itself holds a duplicate of the reader's end, as the launcher does of the writer's: an error stands for its absence.
    opened.stdin?.destroy(new Error('EPIPE'))
    await input.pump()
    expect(input.handOver(opened.release().stdinBytes)).toBe(401_000)
    expect(closed).toBe(1)
  })

  test('take nothing from their caller any more, and do not tell it that they are closed', async () => {
    const kept = workload('sleep 5')
    const opened = kept.adopt()
    const told = { taken: 0, closed: 0 }
    let asked = 0
    const stdin = (async function* () {
      for (; ; asked++) yield Buffer.alloc(100_000)
    })()
    const caller = {
      ...streams(),
      stdin,
      stdinTaken: (bytes: number) => {
        told.taken += bytes
      },
      stdinClosed: () => void told.closed++,
    }
    const input = new Input(caller, opened.stdin)
    const pumped = input.pump()
    await sleep(50)
    const then = asked
    // A pipe holds 64 KiB (pipe(7)).
    expect(input.handOver(opened.release().stdinBytes)).toBe(65_536)
    await pumped
    expect(asked).toBe(then)
    expect(told).toEqual({ taken: 0, closed: 0 })
  })

  test('leave in the pipe what nobody has begun to read', async () => {
    const kept = workload('echo out; echo err >&2; sleep 5')
    const got: string[] = []
    const caller = streams({ output: async (name, bytes) => void got.push(`${name} ${bytes}`) })
    const early = kept.adopt()
    await sleep(100)
    const unused = new Output(caller, early, 1e9, () => undefined, undefined, undefined, 10)
    expect(await unused.handOver(early.release())).toBe(10)
    expect(got).toEqual([])
    const opened = kept.adopt()
    const output = new Output(caller, opened, 1e9, () => undefined, undefined, undefined, 10)
    output.begin()
    await expect.poll(() => got.sort()).toEqual(['stderr err\n', 'stdout out\n'])
    expect(await output.handOver(opened.release())).toBe(18)
  })

  describe('with a limit of 25, of which 20 were given on before', () => {
    function limited() {
      const opened = workload('echo 0123456789').adopt()
      const got: string[] = []
      let over = 0
      const caller = streams({ output: async (_, bytes) => void got.push(String(bytes)) })
      const output = new Output(caller, opened, 25, () => over++, undefined, undefined, 20)
      return { opened, output, seen: () => [got.join(''), over] }
    }

    test('are not handed over with more than the limit, which nobody would end it for any more', async () => {
      const { opened, output, seen } = limited()
      // It has been read, and nobody has been given it.
      opened.stdout?.read(0)
      await expect.poll(() => opened.stdout?.readableLength).toBe(11)
      expect(await output.handOver(opened.release())).toBe(null)
      expect(seen()).toEqual(['01234', 1])
    })

    test('end with the limit', async () => {
      const { output, seen } = limited()
      output.begin()
      await output.finished()
      expect(seen()).toEqual(['01234', 1])
    })
  })
})
