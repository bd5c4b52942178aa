import { describe, expect, it } from 'vitest'
import { decideAndReserve, type UseClaim, UseTable } from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { codes } from './scenario.ts'

const NOT_AFTER = '2027-01-01T00:00:00.000Z'
const claim: UseClaim = { payload: 'a'.repeat(64), issuer: 'release', id: 'job', maxUses: 2 }

describe('the table of uses', () => {
  it('gives out as many uses as there are, and one that was released again', () => {
    const table = new UseTable()
    const first = table.reserve(claim, NOT_AFTER)
    const second = table.reserve(claim, NOT_AFTER)
    expect(table.reserve(claim, NOT_AFTER)).toBeNull()
    second?.release()
    expect(table.view(claim, NOT_AFTER).used).toBe(1)
    first?.commit()
    expect(table.view(claim, NOT_AFTER).used).toBe(1)
    expect(table.reserve(claim, NOT_AFTER)).not.toBeNull()
  })

  it('lets a use be settled once', () => {
    const use = new UseTable().reserve(claim, NOT_AFTER)
    use?.commit()
    expect(() => use?.release()).toThrow()
    expect(() => use?.commit()).toThrow()
  })

  it('keeps an id for the payload that has it, and frees it when no use of it was made', () => {
    const table = new UseTable()
    const other = { ...claim, payload: 'b'.repeat(64) }
    const use = table.reserve(claim, NOT_AFTER)
    expect(table.view(other, NOT_AFTER).otherPayload).toBe(claim.payload)
    expect(table.reserve(other, NOT_AFTER)).toBeNull()
    expect(table.reserve({ ...other, issuer: 'board' }, NOT_AFTER)).not.toBeNull()
    use?.release()
    expect(table.reserve(other, NOT_AFTER)).not.toBeNull()
  })

  it('is the fold of the permits in the log', () => {
    const live = new UseTable()
    live.reserve(claim, NOT_AFTER)?.commit()
    live.reserve(claim, NOT_AFTER)?.commit()
    const folded = new UseTable()
    for (let i = 0; i < 2; i++) folded.apply(claim, NOT_AFTER)
    expect(folded.view(claim, NOT_AFTER)).toEqual(live.view(claim, NOT_AFTER))
    expect(folded.reserve(claim, NOT_AFTER)).toBeNull()
  })
})

describe('a permit and its use', () => {
  it('goes to exactly one of many that race for the last one', async () => {
    const uses = new UseTable()
    const artifact = world.artifact()
    const race = async () => {
      await new Promise(resolve => setImmediate(resolve))
      const { decision, reservation } = decideAndReserve(world.input({ uses, artifact }), world.observed())
      await new Promise(resolve => setImmediate(resolve))
      reservation?.commit()
      return decision
    }
    const decisions = await Promise.all(Array.from({ length: 8 }, race))
    expect(decisions.filter(({ outcome }) => outcome === 'permit')).toHaveLength(1)
    expect(decisions.filter(({ outcome }) => outcome === 'deny').map(codes)).toEqual(
      Array(7).fill(['REPLAYED']),
    )
  })

  it('goes to one of two whose envelopes differ around the same payload', () => {
    const uses = new UseTable()
    // ECDSA draws a random number, and white space around JSON is free: same payload, other envelope bytes.
    const keys = [world.bob, world.alice]
    const issue = () =>
      world.artifact(it => {
        it.issuer = 'board'
      }, keys)
    const again = Buffer.from(` ${issue().toString()}`)
    expect(
      decideAndReserve(world.input({ uses, artifact: issue() }), world.observed()).decision.outcome,
    ).toBe('permit')
    expect(
      codes(decideAndReserve(world.input({ uses, artifact: again }), world.observed()).decision),
    ).toEqual(['REPLAYED'])
  })

  it('is not consumed by a denial', () => {
    const uses = new UseTable()
    const denied = decideAndReserve(world.input({ uses, lineage: 'unavailable' }), world.observed())
    expect(denied.reservation).toBeNull()
    expect(denied.decision.use).toBeNull()
    expect(decideAndReserve(world.input({ uses }), world.observed()).decision.outcome).toBe('permit')
  })

  it('is not consumed by asking whether it would be permitted', () => {
    const uses = new UseTable()
    const asked = world.input({ uses, request: world.request({ operation: 'authorize' }) })
    expect(decideAndReserve(asked, world.observed())).toMatchObject({
      decision: { outcome: 'permit', use: null },
      reservation: null,
    })
    expect(decideAndReserve(world.input({ uses }), world.observed()).decision.outcome).toBe('permit')
  })
})
