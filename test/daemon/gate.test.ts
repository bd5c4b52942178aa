import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type AttestedFacts, TrustGate, type TrustTransition } from '../../daemon/gate.ts'

const MAX_AGE = 30_000_000_000n

function setup(initial?: { state: 'UNATTESTED' | 'FAILED'; reasons: [] }) {
  let now = 1_000_000_000n
  const page = { epoch: 1n, instant: 0n }
  const transitions: TrustTransition[] = []
  const inForce = { digest: 'aa' }
  const gate = new TrustGate({
    lease: {
      renew: (epoch, instant) => Object.assign(page, { epoch, instant }),
      read: () => page,
      lapse: () => Object.assign(page, { epoch: page.epoch + 1n, instant: 0n }).epoch,
    },
    maxEvidenceAgeNs: MAX_AGE,
    now: () => now,
    referenceValuesDigest: () => inForce.digest,
    ...(initial && { initial }),
  })
  gate.on('transition', t => transitions.push(t))
  const facts = (instantNs: bigint, referenceValuesDigest = 'aa'): AttestedFacts => ({
    instantNs,
    referenceValuesDigest,
    tier: 'simulated',
    resetCount: 1,
    claims: null,
    appraisalIndex: 0n,
  })
  return { gate, page, transitions, facts, inForce, advance: (ns: bigint) => (now += ns), now: () => now }
}

describe('trust gate', () => {
  test('is closed at the start', () => {
    const { gate } = setup()
    expect(gate.snapshot()).toMatchObject({ state: 'UNATTESTED', facts: null, deadlineNs: null })
  })

  test('opens on a passing appraisal and gives its deadline', () => {
    const { gate, page, facts, now, transitions } = setup()
    expect(gate.renew(facts(now()))).toBe(true)
    expect(gate.snapshot()).toMatchObject({ state: 'ATTESTED', deadlineNs: now() + MAX_AGE })
    expect(page.instant).toBe(now())
    expect(transitions).toMatchObject([{ from: 'UNATTESTED', to: 'ATTESTED' }])
  })

  test('says what was left of its lease when it was renewed, by which slow cycles are known', () => {
    const { gate, facts, now, advance } = setup()
    expect(gate.leftAtRenewalNs).toBeNull()
    gate.renew(facts(now()))
    expect(gate.leftAtRenewalNs).toBeNull()
    advance(10_000_000_000n)
    const asked = now()
    advance(7_000_000_000n)
    gate.renew(facts(asked))
    expect(gate.leftAtRenewalNs).toBe(13_000_000_000n)
    // It stays what it was until the next one, however late that is.
    advance(22_000_000_000n)
    expect(gate.leftAtRenewalNs).toBe(13_000_000_000n)
    advance(1_000_000_000n)
    gate.expire()
    expect(gate.leftAtRenewalNs).toBe(0n)
    gate.renew(facts(now()))
    expect(gate.leftAtRenewalNs).toBe(0n)
    advance(1n)
    gate.renew(facts(now()))
    expect(gate.leftAtRenewalNs).toBe(MAX_AGE - 1n)
    // What closes it otherwise is no matter of time.
    gate.close('FAILED', [])
    expect(gate.leftAtRenewalNs).toBeNull()
  })

  test('goes stale by the clock alone, with no timer, and ends the epoch', () => {
    const { gate, page, facts, now, advance } = setup()
    gate.renew(facts(now()))
    const before = page.epoch
    advance(MAX_AGE - 1n)
    expect(gate.snapshot().state).toBe('ATTESTED')
    advance(1n)
    expect(gate.snapshot()).toMatchObject({
      state: 'STALE',
      facts: null,
      reasons: [{ code: 'EVIDENCE_TOO_OLD' }],
    })
    expect(page.epoch).toBe(before + 1n)
  })

  test('reopens after STALE in a new epoch, so that what ran before does not live on', () => {
    const { gate, page, facts, now, advance } = setup()
    gate.renew(facts(now()))
    const before = page.epoch
    advance(MAX_AGE)
    expect(gate.renew(facts(now()))).toBe(true)
    expect(gate.snapshot().state).toBe('ATTESTED')
    expect(page.epoch).toBe(before + 1n)
  })

  test('evidence that is too old on arrival, or not newer, opens nothing', () => {
    const { gate, facts, now, advance } = setup()
    const old = facts(now())
    advance(MAX_AGE)
    expect(gate.renew(old)).toBe(false)
    expect(gate.snapshot().state).toBe('UNATTESTED')
    gate.renew(facts(now()))
    expect(gate.renew(facts(now()))).toBe(false)
  })

  test('FAILED is left by clearFailure only, and then goes through UNATTESTED', () => {
    const { gate, facts, now, advance } = setup()
    gate.renew(facts(now()))
    gate.close('FAILED', [{ code: 'PCR_MISMATCH', message: 'PCR 7' }])
    advance(1n)
    expect(gate.renew(facts(now()))).toBe(false)
    gate.close('STALE', [])
    expect(gate.snapshot()).toMatchObject({ state: 'FAILED', reasons: [{ code: 'PCR_MISMATCH' }] })
    expect(gate.clearFailure([])).toBe(true)
    expect(gate.snapshot().state).toBe('UNATTESTED')
    expect(gate.renew(facts(now()))).toBe(true)
  })

  test('a FAILED of an earlier run is in force from the start', () => {
    const { gate, facts, now } = setup({ state: 'FAILED', reasons: [] })
    expect(gate.renew(facts(now()))).toBe(false)
    expect(gate.snapshot().state).toBe('FAILED')
  })

  test('other reference values permit nothing until they have judged, and what runs goes on under its lease', () => {
    const { gate, page, facts, now, advance, inForce } = setup()
    gate.renew(facts(now(), 'aa'))
    const { epoch, instant } = page
    const heard: string[] = []
    gate.on('judged-anew', () => heard.push(`judged anew: ${gate.snapshot().facts?.referenceValuesDigest}`))
    gate.on('renewed', () => heard.push('renewed'))
    inForce.digest = 'bb'
    expect(gate.awaitsAppraisal).toBe(true)
    expect(gate.snapshot()).toMatchObject({ state: 'STALE', facts: null, deadlineNs: null, epoch })
    expect(page).toMatchObject({ epoch, instant })
    advance(1n)
    gate.renew(facts(now(), 'bb'))
    expect(gate.awaitsAppraisal).toBe(false)
    expect(gate.snapshot()).toMatchObject({ state: 'ATTESTED', epoch })
    expect(heard).toEqual(['judged anew: bb', 'renewed'])
    // The host that fails by them, and the appraisal that never comes.
    inForce.digest = 'cc'
    advance(MAX_AGE)
    gate.expire()
    expect(page.epoch).toBe(epoch + 1n)
    expect(gate.snapshot().reasons).toMatchObject([{ code: 'EVIDENCE_TOO_OLD' }])
  })

  test('a host that fails by other reference values ends what runs', () => {
    const { gate, page, facts, now, inForce } = setup()
    gate.renew(facts(now(), 'aa'))
    const { epoch } = page
    inForce.digest = 'bb'
    gate.close('FAILED', [])
    expect(gate.snapshot().state).toBe('FAILED')
    expect(page.epoch).toBe(epoch + 1n)
  })

  test('the lease page is lapsed before anyone hears of the closing', () => {
    const { gate, page, facts, now } = setup()
    gate.renew(facts(now()))
    const before = page.epoch
    let seen = 0n
    gate.on('transition', () => (seen = page.epoch))
    gate.close('FAILED', [])
    expect(seen).toBe(before + 1n)
  })

  test('whatever happens in whatever order: open means fresh, and the epoch never goes back', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('renew' as const), age: fc.bigInt(0n, 2n * MAX_AGE) }),
      fc.record({ op: fc.constant('advance' as const), ns: fc.bigInt(0n, MAX_AGE) }),
      fc.record({ op: fc.constantFrom('stale' as const, 'fail' as const, 'clear' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const { gate, page, facts, now, advance } = setup()
        advance(10n * MAX_AGE)
        let epoch = page.epoch
        for (const s of steps) {
          if (s.op === 'renew') gate.renew(facts(now() - s.age))
          else if (s.op === 'advance') advance(s.ns)
          else if (s.op === 'clear') gate.clearFailure([])
          else gate.close(s.op === 'fail' ? 'FAILED' : 'STALE', [])
          const look = gate.snapshot()
          if (look.state === 'ATTESTED') {
            expect(look.facts).not.toBeNull()
            expect(now()).toBeLessThan(look.deadlineNs ?? 0n)
            expect(page).toEqual({ epoch: look.epoch, instant: look.facts?.instantNs })
          } else {
            expect(look.facts).toBeNull()
            expect(page.epoch).toBeGreaterThanOrEqual(look.epoch)
          }
          expect(page.epoch).toBeGreaterThanOrEqual(epoch)
          epoch = page.epoch
        }
      }),
    )
  })
})
