import { describe, expect, test } from 'vitest'
import { TrustGate } from '../../daemon/gate.ts'
import { type AlertCase, PROMTOOL, testRules, WHY } from './promtool.ts'

/** As shipped. */
const CYCLE_S = 10
const MAX_AGE_S = 30
const MINUTES = 60

const ns = (seconds: number) => BigInt(Math.round(seconds * 1e9))
const s = (nanoseconds: bigint) => Number(nanoseconds) / 1e9

/** What a daemon shows at each scrape that renews by cycles of such lengths, and when its lease first ran out (s); null: it never did. */
interface Shown {
  readonly series: Readonly<Record<string, string>>
  readonly lapsedAt: number | null
}

/**
 * A real gate, renewed by cycles that take so long.
 *
 * @param took seconds of the cycle that begins at this second
 * @param scrape seconds between two
 */
function daemon(took: (at: number) => number, scrape: number): Shown {
  let now = ns(1000)
  const at = () => s(now) - 1000
  const gate = new TrustGate({
    lease: { read: () => ({ epoch: 1n }), renew: () => undefined, lapse: () => 1n },
    maxEvidenceAgeNs: ns(MAX_AGE_S),
    now: () => now,
  })
  const facts = { referenceValuesDigest: 'aa', tier: 'simulated', resetCount: 1, claims: null } as const
  const left: (number | '_')[] = []
  const remaining: number[] = []
  let lapsedAt: number | null = null
  let scraped = 0
  const advance = (to: number) => {
    while (scraped <= to && scraped <= MINUTES * 60) {
      now = ns(1000 + scraped)
      const { state, deadlineNs } = gate.snapshot()
      remaining.push(deadlineNs === null ? 0 : s(deadlineNs - now))
      left.push(gate.leftAtRenewalNs === null ? '_' : s(gate.leftAtRenewalNs))
      if (state === 'STALE') lapsedAt ??= scraped
      scraped += scrape
    }
    now = ns(1000 + to)
  }
  while (at() < MINUTES * 60) {
    const instantNs = now
    advance(at() + took(at()))
    gate.expire()
    if (gate.snapshot().state === 'STALE') lapsedAt ??= at()
    gate.renew({ instantNs, appraisalIndex: 0n, ...facts })
    advance(at() + CYCLE_S)
  }
  return {
    series: {
      'writ_lease_left_at_renewal_seconds{instance="h"}': left.join(' '),
      'writ_lease_remaining_seconds{instance="h"}': remaining.join(' '),
      'writ_gate_state{instance="h",state="ATTESTED"}': remaining.map(it => (it > 0 ? 1 : 0)).join(' '),
    },
    lapsedAt,
  }
}

const minute = (n: number) => `${n}m`
/** From here on a cycle takes so long; before, as long as on a good host. */
const from = (start: number, took: number) => (at: number) => (at < start * 60 ? 1.2 : took)
/** As on a good host, but for one cycle each so many minutes that takes so long. */
const sometimes = (often: number, took: number) => {
  let next = often * 60
  return (at: number) => {
    if (at < next) return 1.2
    next += often * 60
    return took
  }
}

describe.skipIf(!PROMTOOL)(`WritEvidenceOld, by what a daemon shows (${WHY})`, () => {
  const alert = 'WritEvidenceOld'
  const quiet = Array.from({ length: 59 }, (_, i) => ({ at: minute(i + 1), count: 0 }))

  test.each([15, 60])(
    'scraped and evaluated each %s s',
    scrape => {
      const interval = `${scrape}s`
      const cases: AlertCase[] = []
      for (const took of [0.3, 1.2, 3, 4.5]) {
        const { series, lapsedAt } = daemon(() => took, scrape)
        expect(lapsedAt).toBeNull()
        cases.push({ name: `good: ${took} s`, interval, series, alert, firing: quiet })
      }
      for (const [often, took] of [
        [10, 9.5],
        [15, 25],
        [20, 300],
      ] as const) {
        const { series } = daemon(sometimes(often, took), scrape)
        // One that was cut off or slept for minutes says so for as long; then it is well again.
        const firing = took > 120 ? [{ at: '19m', count: 0 }] : quiet
        cases.push({ name: `once in ${often} min ${took} s`, interval, series, alert, firing })
      }
      for (const took of [5.5, 7, 9, 9.9]) {
        const { series, lapsedAt } = daemon(from(20, took), scrape)
        expect(lapsedAt).toBeNull()
        const firing = [18, 30, 31, 40, 50, 59].map(at => ({ at: minute(at), count: at < 20 ? 0 : 1 }))
        cases.push({ name: `slow: ${took} s`, interval, series, alert, firing })
      }
      for (const took of [10.5, 15, 20]) {
        const { series, lapsedAt } = daemon(from(20, took), scrape)
        expect(lapsedAt).not.toBeNull()
        const firing = [28, 29, 30, 45, 59].map(at => ({ at: minute(at), count: 1 }))
        cases.push({ name: `lapsing: ${took} s`, interval, series, alert, firing })
      }
      // From 1 s to 13 s in an hour: it is told of before the first lease runs out.
      const { series, lapsedAt } = daemon(at => 1 + at / 300, scrape)
      const before = Math.floor((lapsedAt ?? 0) / 60) - 5
      expect(before).toBeGreaterThan(30)
      cases.push({
        ...{ name: 'slower and slower', interval, series, alert },
        firing: [
          { at: '15m', count: 0 },
          { at: minute(before), count: 1 },
        ],
      })
      expect(testRules(interval, cases)).toEqual({ status: 0, said: expect.stringContaining('SUCCESS') })
    },
    60_000,
  )
})

test('what is left of a lease at a scrape is a sawtooth that nothing can be told from', () => {
  const { series } = daemon(() => 8, 15)
  const remaining = series['writ_lease_remaining_seconds{instance="h"}']?.split(' ').map(Number) ?? []
  expect(Math.max(...remaining.slice(2))).toBeGreaterThan(18)
  expect(Math.min(...remaining.slice(2))).toBeLessThan(8)
  const left = series['writ_lease_left_at_renewal_seconds{instance="h"}']?.split(' ') ?? []
  expect(new Set(left.slice(3))).toEqual(new Set(['4']))
})
