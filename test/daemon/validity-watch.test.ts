import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { instantsOf, ValidityWatch } from '../../daemon/validity-watch.ts'
import { alice, labels, policy, spki, trustRoots } from '../authorization/scenario.ts'

const START = Date.parse('2026-11-21T02:00:00.000Z')
beforeEach(() => void vi.useFakeTimers({ now: START }))
afterEach(() => void vi.useRealTimers())

/** A watch over these instants, in milliseconds from now, and how often one was said to have passed. */
function watch(...instants: number[]) {
  const at = instants.map(instant => START + instant)
  const passed: number[] = []
  const it = new ValidityWatch({
    wallMs: Date.now,
    instants: () => at,
    passed: () => passed.push(Date.now() - START),
  })
  it.look()
  return { it, at, passed }
}

describe('a watch on what is in force', () => {
  test('wakes at each instant, once', () => {
    const { passed } = watch(25_000, 500, 500, 3_600_000)
    vi.advanceTimersByTime(499)
    expect(passed).toEqual([])
    vi.advanceTimersByTime(7_200_000)
    expect(passed).toEqual([500, 25_000, 3_600_000])
  })

  test('says nothing of what was over before', () => {
    const { passed } = watch(-1, 0)
    vi.advanceTimersByTime(60_000)
    expect(passed).toEqual([])
  })

  test('looks anew when something else is in force', () => {
    const { it, at, passed } = watch(5_000)
    at.splice(0, 1, START + 8_000)
    it.look()
    vi.advanceTimersByTime(60_000)
    expect(passed).toEqual([8_000])
  })

  test('notices a clock that was set forward', () => {
    const { passed } = watch(3_600_000)
    vi.setSystemTime(START + 7_200_000)
    vi.advanceTimersByTime(10_000)
    expect(passed).toHaveLength(1)
  })

  test('ends', () => {
    const { it, passed } = watch(5_000)
    it.stop()
    vi.advanceTimersByTime(60_000)
    expect(passed).toEqual([])
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('the instants are those of the policy, the labels, the trust roots and their keys', () => {
  const time = (second: number) => new Date(START + second * 1000).toISOString()
  const key = { key: spki(alice), holder: 'ann', role: 'approver' as const }
  const seconds = instantsOf({
    policy: policy({ notBefore: time(1), notAfter: time(2) }),
    hostLabels: labels('gpu', { notAfter: time(3) }),
    trustRoots: trustRoots({
      notAfter: time(4),
      authorities: [
        {
          name: 'a',
          threshold: 1,
          requester: 'none',
          keys: [{ ...key, notBefore: time(5), notAfter: time(6) }],
        },
        { name: 'b', threshold: 1, requester: 'none', keys: [{ ...key, notBefore: 'any', notAfter: 'any' }] },
      ],
    }),
  }).map(instant => (instant - START) / 1000)
  expect(seconds.toSorted()).toEqual([1, 2, 3, 4, 5, 6])
  expect(instantsOf({ policy: null, hostLabels: null, trustRoots: null })).toEqual([])
  expect(instantsOf({ policy: policy(), hostLabels: labels('gpu'), trustRoots: null })).toEqual([])
})
