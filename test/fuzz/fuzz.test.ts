import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WritError } from '../../encoding/error.ts'
import { Coverage } from './coverage.ts'
import { Fuzzer } from './engine.ts'
import { Random } from './random.ts'
import { derElements, eventsOf, jsonMembers, tcgEvents } from './structures.ts'
import type { FuzzTarget } from './target.ts'
import { TARGETS } from './targets.ts'

/** Executions of each target; `npm run fuzz` goes on for as long as it is told. */
const EXECUTIONS = Number(process.env.WRIT_FUZZ_EXECUTIONS ?? 40)

describe('a short run', () => {
  it.each(TARGETS.map(target => [target.name, target] as const))(
    '%s: no execution crashes, takes 100 ms or 64 MB',
    (_, target) => {
      const fuzzer = new Fuzzer(target, 20261121, EXECUTIONS)
      fuzzer.batch()
      expect(fuzzer.progress.executions).toBe(EXECUTIONS)
      expect(fuzzer.faults).toEqual([])
    },
  )
})

describe('the harness', () => {
  class Typed extends WritError<'A'> {}
  const target = (run: (input: Buffer) => void, seeds = [Buffer.from('seed')]): FuzzTarget => ({
    name: 'made-up',
    seeds,
    run,
  })
  const kindsOf = (run: (input: Buffer) => void) => {
    const fuzzer = new Fuzzer(target(run), 1)
    fuzzer.warmUp()
    return [...new Set(fuzzer.faults.map(({ kind }) => kind))]
  }

  it('finds what crashes, and lets typed errors pass', () => {
    expect(
      kindsOf(() => {
        throw new RangeError('x')
      }),
    ).toEqual(['crash'])
    expect(
      kindsOf(() => {
        throw new Typed('A', 'x')
      }),
    ).toEqual([])
  })

  it('finds what takes longer than 100 ms of processor time', () => {
    const busy = () => {
      const { user } = process.threadCpuUsage()
      while (process.threadCpuUsage().user < user + 150_000) Math.sqrt(user)
    }
    expect(kindsOf(busy)).toEqual(['hang'])
  })

  it('finds what takes more than 64 MB', () => {
    const fuzzer = new Fuzzer(
      target(() => void Buffer.alloc(96 << 20, 1)),
      1,
      2,
    )
    fuzzer.batch()
    expect(fuzzer.faults[0]?.kind).toBe('memory')
  })

  it('changes events, elements and members so that the form stays', () => {
    const random = new Random(3)
    const log = TARGETS[0]?.seeds.find(seed => eventsOf(seed).length > 2) ?? Buffer.alloc(0)
    const before = eventsOf(log).length
    const counts = Array.from({ length: 50 }, () => eventsOf(tcgEvents(random, log, log) ?? log).length)
    expect(counts.every(count => count >= before - 1 && count <= before + 1)).toBe(true)
    const der = Buffer.from('300a3003020101300302 0102'.replace(' ', ''), 'hex')
    for (let n = 0; n < 50; n++) {
      const made = derElements(random, der, der)
      if (made === undefined) continue
      let at = 0
      while (at < made.length) at += 2 + (made[at + 1] ?? 0)
      expect(at).toBe(made.length)
    }
    for (let n = 0; n < 50; n++) {
      const made = jsonMembers(random, Buffer.from('{"a":[1,{"b":"c"}]}'), Buffer.from('{"d":2}'))
      expect(() => JSON.parse(made?.toString() ?? '')).not.toThrow()
    }
  })
})

describe('coverage', () => {
  const coverage = new Coverage(path => path === 'test/fuzz/fuzz.test.ts' || path.startsWith('encoding/'))
  beforeAll(() => coverage.start())
  afterAll(() => coverage.stop())

  it('keeps the inputs that reach what none before has reached', async () => {
    const { parseJson } = await import('../../encoding/json.ts')
    const fuzzer = new Fuzzer(
      {
        name: 'json',
        seeds: [Buffer.from('[1]')],
        words: ['{"a":1}', 'null', '\\u0041'],
        run: b => void parseJson(b),
      },
      1,
      64,
    )
    fuzzer.warmUp(coverage)
    const seeded = coverage.blocks
    for (let n = 0; n < 9; n++) fuzzer.batch(coverage)
    expect(coverage.blocks).toBeGreaterThan(seeded)
    expect(fuzzer.kept).toBeGreaterThan(0)
  })
})
