import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type OutputPiece, type OutputStream, OutputTail } from '../../daemon/output-tail.ts'
import { OutputTails } from '../../daemon/output-tails.ts'

const never = new AbortController().signal
const any = () => true

async function all(tail: OutputTail, follow = false): Promise<OutputPiece[]> {
  const pieces: OutputPiece[] = []
  for await (const piece of tail.read(follow, never)) pieces.push(piece)
  return pieces
}
const textOf = (pieces: readonly OutputPiece[]) =>
  pieces.map(piece =>
    piece.kind === 'gap' ? `gap ${piece.gap.stdout}/${piece.gap.stderr}` : `${piece.stream} ${piece.bytes}`,
  )

describe('the tail of an output', () => {
  it('gives both streams in the order in which they were written', async () => {
    const tail = new OutputTail(65536, any)
    tail.append('stdout', Buffer.from('one '))
    tail.append('stdout', Buffer.from('two'))
    tail.append('stderr', Buffer.from('three'))
    tail.append('stdout', Buffer.from('four'))
    expect(textOf(await all(tail))).toEqual(['stdout one two', 'stderr three', 'stdout four'])
  })

  it('copies what it is given', async () => {
    const tail = new OutputTail(65536, any)
    const bytes = Buffer.from('before')
    tail.append('stdout', bytes)
    bytes.fill('x')
    expect(textOf(await all(tail))).toEqual(['stdout before'])
  })

  it('forgets the oldest beyond its size, and says how much of which stream', async () => {
    const tail = new OutputTail(4096, any)
    tail.append('stderr', Buffer.alloc(500, 'e'))
    for (let i = 0; i < 20; i++) tail.append('stdout', Buffer.alloc(1000, String(i % 10)))
    expect(tail.size).toBeLessThanOrEqual(4096)
    const [gap, kept] = await all(tail)
    if (gap?.kind !== 'gap' || kept?.kind !== 'bytes') expect.fail('a gap, then bytes')
    expect(gap.gap.stderr).toBe(500)
    expect(gap.gap.stdout + kept.bytes.length).toBe(20_000)
    expect(kept.bytes.length).toBeGreaterThan(2000)
    expect(kept.bytes.toString()).toMatch(/^6*7*8*9+$/)
  })

  it.each([0, 1, 12])('of %d bytes keeps nothing and counts everything', async limit => {
    const tail = new OutputTail(limit, any)
    tail.append('stdout', Buffer.alloc(70_000))
    expect(tail.size).toBe(0)
    expect(textOf(await all(tail))).toEqual(['gap 70000/0'])
  })

  it('without leave to grow keeps nothing and counts everything', async () => {
    const tail = new OutputTail(65536, () => false)
    tail.append('stderr', Buffer.from('abc'))
    expect(textOf(await all(tail))).toEqual(['gap 0/3'])
  })

  it('is followed to its end; a reader that comes late and one that waits get the same', async () => {
    const tail = new OutputTail(65536, any)
    const following = all(tail, true)
    tail.append('stdout', Buffer.from('a'))
    await new Promise(resolve => setTimeout(resolve, 5))
    tail.append('stderr', Buffer.from('b'))
    tail.end()
    expect(textOf(await following)).toEqual(['stdout a', 'stderr b'])
    expect(textOf(await all(tail, true))).toEqual(['stdout a', 'stderr b'])
  })

  it('not followed ends with what there was, however fast more comes', async () => {
    const tail = new OutputTail(1 << 20, any)
    tail.append('stdout', Buffer.alloc(200_000, 'a'))
    let got = 0
    for await (const piece of tail.read(false, never)) {
      if (piece.kind === 'bytes') got += piece.bytes.length
      tail.append('stdout', Buffer.alloc(100_000, 'b'))
    }
    expect(got).toBe(200_000)
  })

  it('a reader that does not read holds nothing and holds nobody back; it misses the middle', async () => {
    const tail = new OutputTail(8192, any)
    const reader = tail.read(true, never)
    tail.append('stdout', Buffer.from('first'))
    expect((await reader.next()).value).toMatchObject({ kind: 'bytes' })
    for (let i = 0; i < 10_000; i++) tail.append('stdout', Buffer.alloc(10_000))
    expect(tail.size).toBeLessThanOrEqual(8192)
    const next = await reader.next()
    expect(next.value).toMatchObject({ kind: 'gap' })
    tail.end()
    let got = 5
    if (next.value?.kind === 'gap') got += next.value.gap.stdout
    for await (const piece of reader) if (piece.kind === 'bytes') got += piece.bytes.length
    expect(got).toBe(100_000_005)
  })

  it('that is given up leaves the count of all of it', async () => {
    const tail = new OutputTail(65536, any)
    tail.append('stdout', Buffer.from('abc'))
    const late = tail.read(true, never)
    expect(textOf([(await late.next()).value as OutputPiece])).toEqual(['stdout abc'])
    tail.append('stderr', Buffer.from('de'))
    tail.end()
    tail.clear()
    expect(tail.size).toBe(0)
    expect(textOf([(await late.next()).value as OutputPiece])).toEqual(['gap 0/2'])
    expect(textOf(await all(tail))).toEqual(['gap 3/2'])
  })

  it('lets go of a reader whose call is over', async () => {
    const tail = new OutputTail(65536, any)
    const over = new AbortController()
    const reading = tail.read(true, over.signal).next()
    over.abort()
    expect(await reading).toEqual({ done: true, value: undefined })
  })

  it('for any writes, limits and readers: nothing is lost uncounted, nothing is out of place', async () => {
    const write = fc.tuple(fc.constantFrom<OutputStream>('stdout', 'stderr'), fc.nat(6000))
    const step = fc.oneof(write, fc.constant('read' as const), fc.constant('late' as const))
    await fc.assert(
      fc.asyncProperty(
        fc.nat(20_000),
        fc.array(step, { maxLength: 60 }),
        fc.nat(40_000),
        async (limit, steps, room) => {
          let taken = 0
          const tail = new OutputTail(limit, bytes => {
            if (taken + bytes > room) return false
            taken += bytes
            return true
          })
          const written = { stdout: 0, stderr: 0 }
          const readers = [{ of: tail.read(true, never), had: { stdout: 0, stderr: 0 } }]
          const next = async (reader: (typeof readers)[number]): Promise<boolean> => {
            const { done, value } = await reader.of.next()
            if (done) return false
            if (value.kind === 'gap') {
              reader.had.stdout += value.gap.stdout
              reader.had.stderr += value.gap.stderr
              return true
            }
            // Each byte says its place in its stream.
            for (const byte of value.bytes) expect(byte).toBe(reader.had[value.stream]++ % 251)
            return true
          }
          for (const action of steps) {
            if (action === 'late') readers.push({ of: tail.read(true, never), had: { stdout: 0, stderr: 0 } })
            else if (action === 'read') {
              const [reader] = readers
              // A read that has nothing would wait for a write.
              if (reader && reader.had.stdout + reader.had.stderr < written.stdout + written.stderr)
                await next(reader)
            } else {
              const [stream, length] = action
              const bytes = Buffer.from(Array.from({ length }, (_, i) => (written[stream] + i) % 251))
              written[stream] += length
              tail.append(stream, bytes)
            }
            expect(tail.size).toBeLessThanOrEqual(Math.min(limit, room))
          }
          tail.end()
          for (const reader of readers) {
            while (await next(reader));
            expect(reader.had).toEqual(written)
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('the tails of all executions', () => {
  const limits = { tailBytes: 65536, totalBytes: 65536 * 4, maxExecutions: 4 }

  it('take no more than the total; those that have ended give way, oldest first', async () => {
    const tails = new OutputTails(limits)
    for (let i = 0; i < 20; i++) {
      tails.open(`${i}`).append('stdout', Buffer.alloc(100_000))
      tails.end(`${i}`)
      expect(tails.bytes).toBeLessThanOrEqual(limits.totalBytes)
    }
    expect([15, 16, 17, 18, 19].map(i => (tails.get(`${i}`)?.size ?? 0) > 0)).toEqual([
      false,
      true,
      true,
      true,
      true,
    ])
    expect(textOf(await all(tails.get('3') as OutputTail))).toEqual(['gap 100000/0'])
  })

  it('give each that runs its share, also where one is enough to fill all', () => {
    const tails = new OutputTails({ tailBytes: 1 << 24, totalBytes: 1 << 16, maxExecutions: 4 })
    const [one, ...others] = ['a', 'b', 'c', 'd'].map(id => tails.open(id))
    one?.append('stdout', Buffer.alloc(1 << 20))
    for (const tail of others) tail.append('stderr', Buffer.alloc(1 << 20))
    expect([one, ...others].map(tail => tail?.size)).toEqual([1 << 14, 1 << 14, 1 << 14, 1 << 14])
    expect(tails.bytes).toBe(1 << 16)
  })

  it('never take more than the total, even when more run than was said', () => {
    const tails = new OutputTails(limits)
    for (let i = 0; i < 40; i++) tails.open(`${i}`).append('stdout', Buffer.alloc(100_000))
    expect(tails.bytes).toBeLessThanOrEqual(limits.totalBytes)
  })

  it('hold nothing for one that has written nothing, or is forgotten', () => {
    const tails = new OutputTails(limits)
    tails.open('a')
    tails.end('a')
    tails.open('b').append('stdout', Buffer.alloc(10))
    expect(tails.bytes).toBe(1024)
    tails.forget('b')
    expect({ bytes: tails.bytes, known: tails.get('b') }).toEqual({ bytes: 0, known: undefined })
  })
})
