import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type EntryTimes, locate } from '../../lineage/locate.ts'

/** The times of a log, and how many were looked at one by one and by the bundle. */
function timesOf(ms: readonly number[]): EntryTimes & { readonly looks: { first: number; all: number } } {
  const looks = { first: 0, all: 0 }
  return {
    looks,
    first: async bundle => {
      looks.first++
      return ms[bundle * 256] ?? expect.fail('no such bundle')
    },
    all: async bundle => {
      looks.all++
      return ms.slice(bundle * 256, (bundle + 1) * 256)
    },
  }
}

/** What is meant, by looking at every entry. */
function exactly(ms: readonly number[], sinceMs: number | null, untilMs: number | null) {
  const first = sinceMs === null ? 0 : ms.findIndex(time => time >= sinceMs)
  const from = first < 0 ? ms.length : first
  const to = untilMs === null ? ms.length : ms.findLastIndex(time => time <= untilMs) + 1
  return { from, to: Math.max(from, to) }
}

test('of times in order the span is exact, at its very edges and beyond them', async () => {
  const instant = fc.option(fc.integer({ min: -2, max: 3000 }), { nil: null })
  const log = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 1200 })
  await fc.assert(
    fc.asyncProperty(log, instant, instant, async (steps, sinceMs, untilMs) => {
      let ms = 0
      const times = steps.map(step => {
        ms += step
        return ms
      })
      const found = await locate({ sinceMs, untilMs }, times.length, timesOf(times))
      expect(found).toEqual(exactly(times, sinceMs, untilMs))
    }),
    { numRuns: 200 },
  )
})

test('a clock that was set back hides nothing, and one that was ahead does not either', async () => {
  // In the middle of the log somebody works for a while under a clock that is a year behind.
  const back = Array.from({ length: 200_000 }, (_, i) => (i > 90_000 && i < 110_000 ? i - 1e9 : i))
  for (const since of [50_000, 89_000, 90_500, 100_000, 150_000]) {
    const { from, to } = await locate({ sinceMs: since, untilMs: null }, back.length, timesOf(back))
    expect(from).toBeLessThanOrEqual(back.findIndex(ms => ms >= since))
    expect(to).toBe(back.length)
  }
  const { to } = await locate({ sinceMs: null, untilMs: 50_000 }, back.length, timesOf(back))
  expect(to).toBeGreaterThanOrEqual(109_000)
  const ahead = Array.from({ length: 200_000 }, (_, i) => (i > 90_000 && i < 110_000 ? i + 1e9 : i))
  const found = await locate({ sinceMs: 150_000, untilMs: 160_000 }, ahead.length, timesOf(ahead))
  expect(found.from).toBeLessThanOrEqual(90_112)
  expect(found.to).toBe(160_001)
})

test('of ten million entries a few hundred are looked at', async () => {
  const size = 10_000_000
  const looks = { first: 0, all: 0 }
  const times: EntryTimes = {
    first: async bundle => {
      looks.first++
      return bundle * 256
    },
    all: async bundle => {
      looks.all++
      return Array.from({ length: Math.min(256, size - bundle * 256) }, (_, i) => bundle * 256 + i)
    },
  }
  const span = { sinceMs: 7_654_321, untilMs: 9_876_543 }
  expect(await locate(span, size, times)).toEqual({ from: 7_654_321, to: 9_876_544 })
  expect(looks.first).toBeLessThan(1200)
  expect(looks.all).toBe(2)
})
