import { describe, expect, it } from 'vitest'
import { MAX_AGE_NS, setupCycle } from './cycle.ts'

/**
 * An exception that leaves the host attested: CVE-2023-3674 (keylime wrote an error to its log when the check of a quote's signature threw, and went on trusting the host),
 * keylime issue 1091 (a verifier that dies leaves all its hosts trusted). Here trust runs out by itself: whatever is thrown in a cycle renews nothing, and evidence that
 * the judgement breaks on closes the gate at once.
 */
describe('an exception that leaves the host attested (CVE-2023-3674)', () => {
  const thrown = () => {
    throw new TypeError('cannot read properties of undefined')
  }

  it('the judgement breaks: the gate closes at once, and the next good evidence opens it again', async () => {
    const it = setupCycle()
    await it.attestor.cycle()
    expect(it.state()).toBe('ATTESTED')
    const { epoch } = it.gate.snapshot()
    const broken = {
      ...it.reference,
      get values() {
        return thrown()
      },
    }
    const sound = it.options.reference
    Object.assign(it.options, { reference: () => broken })
    expect((await it.attestor.cycle()).error).toMatchObject({ code: 'CYCLE_FAILED' })
    expect(it.gate.snapshot()).toMatchObject({
      state: 'STALE',
      facts: null,
      reasons: [{ code: 'CYCLE_FAILED' }],
    })
    expect(it.gate.snapshot().epoch).toBeGreaterThan(epoch)
    Object.assign(it.options, { reference: sound })
    await it.attestor.cycle()
    expect(it.state()).toBe('ATTESTED')
  })

  it.each<[string, (it: ReturnType<typeof setupCycle>) => void]>([
    ['the TPM', it => Object.assign(it.options, { tpm: { quote: thrown } })],
    ['the reader of logs', it => Object.assign(it.faults, { logs: thrown })],
    ['the lineage', it => Object.assign(it.options, { recorder: { record: thrown } })],
    ['the store of evidence', it => Object.assign(it.faults, { store: thrown })],
    ['the boot clock', it => Object.assign(it.options, { bootNs: thrown })],
  ])('%s throws: nothing is renewed, and the lease ends when it would have', async (_, damage) => {
    const it = setupCycle()
    await it.attestor.cycle()
    const { deadlineNs } = it.gate.snapshot()
    damage(it)
    for (let cycle = 0; cycle < 3; cycle++) expect((await it.attestor.cycle()).error).not.toBeNull()
    expect([null, deadlineNs]).toContain(it.gate.snapshot().deadlineNs)
    it.clock.ns = (deadlineNs ?? 0n) + MAX_AGE_NS
    await it.attestor.cycle()
    expect(it.state()).toBe('STALE')
  })

  it('a signature check that throws is a failed quote, not a passing one', async () => {
    const it = setupCycle()
    await it.attestor.cycle()
    const { quote } = it.options.tpm
    // A signature of a form that the cryptography throws on, and one of no length.
    for (const signature of [Buffer.from('0018000b0000', 'hex'), Buffer.alloc(0)]) {
      Object.assign(it.options, {
        tpm: { quote: async (asked: { extraData: Buffer }) => ({ ...(await quote(asked)), signature }) },
      })
      expect((await it.attestor.cycle()).appraisal?.verdict).toBe('fail')
      expect(it.state()).toBe('FAILED')
    }
  })
})
