import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SentBytes } from '../../../proto/client/sent-bytes.ts'

describe('what was sent', () => {
  it('is remembered as far back as there is room, whatever its pieces', () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 30 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), pieces, (most, all) => {
        const sent = new SentBytes(most)
        for (const piece of all) sent.add(piece)
        const whole = Buffer.concat(all)
        expect(sent.total).toBe(whole.length)
        for (let at = 0; at <= whole.length; at++) {
          const kept = sent.from(at)
          if (whole.length - at > most) expect(kept).toBeNull()
          else expect(kept).toEqual(whole.subarray(at))
        }
        expect(sent.from(whole.length + 1)).toBeNull()
      }),
    )
  })

  it('grows past its first room', () => {
    const sent = new SentBytes(300_000)
    const whole = Buffer.alloc(700_001).map((_, i) => i % 251)
    for (let at = 0; at < whole.length; at += 50_000) sent.add(whole.subarray(at, at + 50_000))
    expect(sent.from(400_001)?.equals(whole.subarray(400_001))).toBe(true)
    expect(sent.from(400_000)).toBeNull()
  })
})
