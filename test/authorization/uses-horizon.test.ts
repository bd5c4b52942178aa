import { describe, expect, it } from 'vitest'
import { decideAndReserve, type UseClaim, UseTable } from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { codes } from './scenario.ts'

const DAY = 24 * 3600_000
const at = (days: number) => new Date(Date.parse('2026-11-01T00:00:00.000Z') + days * DAY).toISOString()
const claim = (n: number): UseClaim => ({
  ...{ payload: String(n).padStart(64, '0'), issuer: 'release', id: `job-${n}`, maxUses: 1 },
})

function forget(table: UseTable, time: string): number {
  let steps = 0
  for (const _ of table.forgetBefore(time)) steps++
  return steps
}

describe('uses beyond the horizon', () => {
  it('are forgotten of what ended before it, to the millisecond, and of nothing else', () => {
    const table = new UseTable()
    const ends = [at(1), '2026-11-04T23:59:59.999Z', at(4), at(9)]
    for (const [n, notAfter] of ends.entries()) table.reserve(claim(n), notAfter)?.commit()
    forget(table, at(4))
    expect(table.size).toBe(2)
    expect(ends.map((notAfter, n) => table.view(claim(n), notAfter).used)).toEqual([0, 0, 1, 1])
    expect(ends.map((notAfter, n) => table.view(claim(n), notAfter).uncleanSince)).toEqual([
      at(4),
      at(4),
      null,
      null,
    ])
  })

  it('count as possibly lost from there on, whatever else is said of a tail', () => {
    const table = new UseTable()
    forget(table, at(4))
    const since = () => table.view(claim(1), at(3)).uncleanSince
    expect(since()).toBe(at(4))
    table.setUncleanSince(at(2))
    expect(since()).toBe(at(4))
    table.setLostBefore(at(3))
    expect(since()).toBe(at(4))
    table.setUncleanSince(null)
    expect(since()).toBe(at(4))
    table.setLostBefore(at(6))
    expect(since()).toBe(at(6))
    expect(table.view(claim(1), at(9)).uncleanSince).toBe(at(6))
  })

  it('never come back: the horizon does not', () => {
    const table = new UseTable()
    table.reserve(claim(1), at(3))?.commit()
    forget(table, at(4))
    forget(table, at(1))
    expect(table.view(claim(1), at(3))).toMatchObject({ used: 0, uncleanSince: at(4) })
  })

  it('free the id that they held, and none that is held otherwise', () => {
    const table = new UseTable()
    for (const [n, notAfter] of [at(1), at(9)].entries()) table.reserve(claim(n), notAfter)?.commit()
    const held = table.reserve(claim(2), at(1))
    const others = [0, 1, 2].map(n => ({ ...claim(n), payload: 'f'.repeat(63) + String(n) }))
    forget(table, at(4))
    expect(others.map(other => table.view(other, at(9)).otherPayload)).toEqual([
      null,
      claim(1).payload,
      claim(2).payload,
    ])
    held?.release()
  })

  it('are let go of in steps, of which each looks at a small part', () => {
    const table = new UseTable()
    for (let n = 0; n < 4096; n++)
      table.apply({ ...claim(n), payload: world.digestOf(Buffer.from(`${n}`)) }, at(1))
    const sizes: number[] = []
    for (const _ of table.forgetBefore(at(4))) sizes.push(table.size)
    expect(table.size).toBe(0)
    const drops = sizes.map((size, i) => (sizes[i - 1] ?? 4096) - size)
    expect(Math.max(...drops)).toBeLessThan(64)
  })
})

describe('an artifact whose use was forgotten', () => {
  const short = world.artifact(it => {
    it.validity = { notBefore: at(10), notAfter: at(11), maxUses: 1 }
  })
  const when = (time: string, uses: UseTable, artifact = short) =>
    decideAndReserve(world.input({ uses, artifact, clock: { now: time, trusted: true } }), world.observed())

  it('is not permitted again, wherever the clock is set', () => {
    const uses = new UseTable()
    const { decision, reservation } = when(at(10.5), uses)
    expect(decision.outcome).toBe('permit')
    reservation?.commit()
    expect(codes(when(at(10.6), uses).decision)).toEqual(['REPLAYED'])
    forget(uses, at(12))
    expect(uses.size).toBe(0)
    for (const time of [at(10), at(10.5), at(10.9)])
      expect(codes(when(time, uses).decision)).toEqual(['REPLAYED'])
    expect(codes(when(at(12.5), uses).decision)).toEqual(['ARTIFACT_EXPIRED'])
    // Nor after a tail was lost and accepted, or files were put back before it was valid.
    uses.setUncleanSince(at(9))
    uses.setUncleanSince(null)
    uses.setLostBefore(at(9))
    expect(codes(when(at(10.5), uses).decision)).toEqual(['REPLAYED'])
  })

  it('may be used as ever if its uses are not counted, or if it ends after the horizon', () => {
    const uses = new UseTable()
    forget(uses, at(12))
    const unlimited = world.artifact(it => {
      it.validity = { notBefore: at(10), notAfter: at(11), maxUses: 'any' }
    })
    const longer = world.artifact(it => {
      it.id = 'job-2'
      it.validity = { notBefore: at(10), notAfter: at(12), maxUses: 1 }
    })
    expect(when(at(10.5), uses, unlimited).decision.outcome).toBe('permit')
    expect(when(at(10.5), uses, longer).decision.outcome).toBe('permit')
  })
})
