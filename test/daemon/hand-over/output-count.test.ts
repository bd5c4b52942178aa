import { describe, expect, test } from 'vitest'
import { OutputCount } from '../../../daemon/hand-over/output-count.ts'
import { seeded } from '../../support/seeded.ts'

describe('output that is counted over crashes', () => {
  const counted = (before: number, limit: number) => {
    const told: number[] = []
    return { told, count: new OutputCount(before, limit, bytes => told.push(bytes)) }
  }

  test('is told before, ahead by at most a 64th of the limit or 64 KiB, and at once what counts already', () => {
    for (const [limit, ahead] of [
      [6_400, 100],
      [1e9, 65_536],
      [63, 0],
      [0, 0],
    ] as const) {
      const { told, count } = counted(0, limit)
      const random = seeded(limit)
      for (let bytes = 0; bytes < limit; ) {
        bytes = Math.min(limit, bytes + 1 + Math.floor(random() * (limit / 50)))
        count.upTo(bytes)
        const last = told.at(-1) ?? 0
        expect([last >= bytes, last <= Math.min(limit, bytes + ahead)]).toEqual([true, true])
      }
    }
    expect(counted(77, 100).told).toEqual([77])
    expect(counted(0, 100).told).toEqual([])
  })

  test('is not told of for each piece', () => {
    const { told, count } = counted(0, 6_400_000)
    for (let bytes = 1; bytes <= 64_000; bytes++) count.upTo(bytes)
    expect(told).toEqual([65_537])
  })

  test('is told even beyond the limit', () => {
    const { told, count } = counted(90, 100)
    count.upTo(120)
    expect(told).toEqual([90, 120])
  })
})
