import { describe, expect, it } from 'vitest'
import type { Quote } from '../../../attestation/index.ts'
import { setupCycle } from './cycle.ts'

/**
 * A nonce that repeats or is not looked at: veraison/services issues 427 and 447 (an old quote appraises as affirming in a later session), kairos-io/kairos issue 4828 (quotes without a
 * nonce), chipsalliance/caliptra-rtl issue 139 (a nonce of 32 bits can be collected beforehand).
 */
describe('a nonce that repeats (veraison/services 427 and 447, kairos 4828, caliptra-rtl 139)', () => {
  it('each cycle asks with 32 bytes that were never asked with', async () => {
    const it = setupCycle()
    for (let cycle = 0; cycle < 40; cycle++)
      expect((await it.attestor.cycle()).appraisal?.verdict).toBe('pass')
    expect(new Set(it.asked.map(bytes => bytes.toString('hex'))).size).toBe(40)
    expect(it.asked.every(({ length }) => length === 32)).toBe(true)
  })

  it('an answer to an earlier question fails the host, however good its signature and its PCRs are', async () => {
    const it = setupCycle()
    const { quote } = it.options.tpm
    let kept: Quote | undefined
    Object.assign(it.options, {
      tpm: { quote: async (asked: { extraData: Buffer }) => (kept ??= await quote(asked)) },
    })
    expect((await it.attestor.cycle()).appraisal?.verdict).toBe('pass')
    const { appraisal } = await it.attestor.cycle()
    expect(appraisal).toMatchObject({
      verdict: 'fail',
      reasons: [{ code: expect.stringMatching(/^QUOTE_/) }],
    })
    expect(it.state()).toBe('FAILED')
  })

  it.each([
    ['none', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(32)],
    ['the beginning of what was asked with', undefined],
  ])('a quote with %s for a nonce fails the host', async (_, extraData) => {
    const it = setupCycle()
    const { quote } = it.options.tpm
    Object.assign(it.options, {
      tpm: {
        quote: (asked: { extraData: Buffer }) =>
          quote({ extraData: extraData ?? asked.extraData.subarray(0, 31) }),
      },
    })
    expect((await it.attestor.cycle()).appraisal?.verdict).toBe('fail')
  })
})
