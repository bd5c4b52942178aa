import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  countSigners,
  decideBeforeOpen,
  Reevaluator,
  type Signed,
  type TrustRoots,
  type TrustRootsFields,
} from '../../authorization/index.ts'
import * as world from './scenario.ts'
import { authority, codes, decide, held, NOW, revoked } from './scenario.ts'

const { alice, bob, carol, dave, mallory } = world
const BEFORE = '2026-11-21T01:59:59.999Z'
const AFTER = '2026-11-21T02:00:00.001Z'

/** Trust roots under which the artifacts' issuer is this one. */
const release = (fields: Partial<TrustRootsFields['authorities'][number]>): TrustRoots =>
  world.trustRoots({ authorities: [{ ...authority('release', held('alice', alice)), ...fields }] })

const signedBy = (...keys: (typeof alice)[]) => world.artifact(undefined, keys)
const said = (trustRoots: TrustRoots, ...keys: (typeof alice)[]) =>
  decide({ trustRoots, artifact: signedBy(...keys) }).reasons.map(({ code, message }) => [code, message])

describe('a threshold', () => {
  const two = release({
    threshold: 2,
    keys: [held('alice', alice), held('alice', carol), held('bob', bob)],
  })

  it('counts holders, not keys: two keys of one person are one voice', () => {
    expect(said(two, alice, carol)).toEqual([['THRESHOLD_NOT_MET', '1 of release approved, 2 are needed']])
    expect(said(two, alice, bob)).toEqual([])
    expect(said(two, carol, bob, alice)).toEqual([])
  })

  it('is out of reach when no key of the issuer signed: that is no signer, not too few', () => {
    expect(said(two, mallory).map(([code]) => code)).toEqual(['SIGNER_UNTRUSTED'])
  })

  it('counts what is left when a key is revoked', () => {
    const artifact = signedBy(alice, carol, bob)
    const without = (...keys: (typeof alice)[]) =>
      codes(
        decide({
          trustRoots: two,
          artifact,
          revocations: revoked(...keys.map(key => ({ kind: 'key' as const, id: key.public.id }))),
        }),
      )
    expect(without(alice)).toEqual([])
    expect(without(bob)).toEqual(['REVOKED'])
    expect(without(alice, carol)).toEqual(['REVOKED'])
  })
})

describe('an approval that a policy asks for', () => {
  const either = release({ keys: [held('alice', alice), held('bob', bob)] })
  const ofBob = world.policy({
    policies: {
      bob: 'permit(principal, action, resource) when { context.artifact.approvers.contains("bob") };',
    },
  })
  const decided = (...revoke: (typeof alice)[]) =>
    codes(
      decide({
        trustRoots: either,
        policy: ofBob,
        artifact: world.artifact(it => (it.policy.digest = 'any'), [alice, bob]),
        revocations: revoked(
          { kind: 'key', id: mallory.public.id },
          ...revoke.map(key => ({ kind: 'key' as const, id: key.public.id })),
        ),
      }),
    )

  it('is none by a revoked key, also where enough others approved', () => {
    expect(decided()).toEqual([])
    expect(decided(alice)).toEqual([])
    expect(decided(bob)).toEqual(['POLICY_DENIED'])
  })
})

describe('a requester', () => {
  const asked = release({
    requester: 'required',
    keys: [
      held('alice', alice),
      held('dave', dave),
      held('bob', bob, { role: 'requester' }),
      held('alice', carol, { role: 'requester' }),
    ],
  })

  it.each<[string, (typeof alice)[], string[]]>([
    ['asks, and somebody else approves', [bob, alice], []],
    ['is missing', [alice], ['no requester of release signed, and one is required']],
    ['alone approves nothing', [bob], ['0 of release approved, 1 are needed']],
    [
      'who approves with another key of theirs',
      [carol, alice],
      ['0 of release approved, 1 are needed; the approval of alice, who asked for it, does not count'],
    ],
    ['beside whom somebody else approves', [carol, alice, dave], []],
    [
      'of two is the one who leaves more approvals: a signature more takes nothing away',
      [carol, bob, alice],
      [],
    ],
  ])('%s', (_, keys, messages) => {
    expect(said(asked, ...keys)).toEqual(messages.map(message => ['THRESHOLD_NOT_MET', message]))
  })

  it('whose key is revoked has not asked', () => {
    const revocations = revoked({ kind: 'key', id: bob.public.id })
    const denied = decide({ trustRoots: asked, artifact: signedBy(bob, alice), revocations })
    expect(denied.reasons).toMatchObject([
      {
        code: 'REVOKED',
        message: 'without the revoked keys, no requester of release signed, and one is required',
      },
    ])
  })

  it('counts only within its window', () => {
    const late = release({
      requester: 'required',
      keys: [held('alice', alice), held('bob', bob, { role: 'requester', notAfter: NOW })],
    })
    expect(said(late, bob, alice)).toEqual([
      ['SIGNER_UNTRUSTED', `the key ${bob.public.id} of bob counts only until ${NOW}`],
      ['THRESHOLD_NOT_MET', 'no requester of release signed, and one is required'],
    ])
  })
})

describe('the window of a key', () => {
  it.each<[string, { notBefore?: string; notAfter?: string }, string | null]>([
    ['begins at its first instant', { notBefore: NOW }, null],
    ['has not begun a millisecond before', { notBefore: AFTER }, `only from ${AFTER}`],
    ['is open until its last instant', { notAfter: AFTER }, null],
    ['has ended at its last instant', { notAfter: NOW }, `only until ${NOW}`],
    [
      'has ended after it',
      { notBefore: '2026-01-01T00:00:00.000Z', notAfter: BEFORE },
      `only until ${BEFORE}`,
    ],
  ])('%s', (_, terms, when) => {
    const roots = release({ keys: [held('alice', alice, terms)] })
    const message = `the key ${alice.public.id} of alice counts ${when}`
    expect(said(roots, alice)).toEqual(when === null ? [] : [['SIGNER_UNTRUSTED', message]])
  })

  it('does not matter where enough others count', () => {
    const roots = release({ keys: [held('alice', alice, { notAfter: BEFORE }), held('bob', bob)] })
    expect(said(roots, alice, bob)).toEqual([])
  })

  it('is looked at again at each decision, also for an artifact that was opened before', () => {
    const trustRoots = release({ keys: [held('alice', alice, { notAfter: AFTER })] })
    const input = world.input({ trustRoots })
    const first = decideBeforeOpen(input)
    if ('denied' in first) expect.fail('it is permitted')
    const later = decideBeforeOpen({ ...input, clock: { now: AFTER, trusted: true } }, first.opened)
    expect('denied' in later && codes(later.denied)).toEqual(['SIGNER_UNTRUSTED'])
  })

  it('says beside it that those who are left are too few', () => {
    const keys = [held('alice', alice), held('bob', bob, { notBefore: AFTER })]
    const roots = release({ threshold: 2, keys })
    expect(said(roots, alice, bob)).toEqual([
      ['SIGNER_UNTRUSTED', `the key ${bob.public.id} of bob counts only from ${AFTER}`],
      ['THRESHOLD_NOT_MET', '1 of release approved, 2 are needed'],
    ])
  })
})

describe('trust roots that have ended', () => {
  it('permit nothing from that instant on, whatever is signed', async () => {
    expect(codes(decide({ trustRoots: world.trustRoots({ notAfter: AFTER }) }))).toEqual([])
    const denied = decide({ trustRoots: world.trustRoots({ notAfter: NOW }) })
    expect(denied.reasons).toMatchObject([
      {
        code: 'SIGNER_UNTRUSTED',
        message: `the trust roots, version 1, count only until ${NOW}`,
        at: 'trustRoots.notAfter',
      },
    ])
  })

  it('let nothing be minted either', () => {
    const minting = { enabled: true, sessionKeySpki: world.spki(world.session) }
    const request = world.request({ operation: 'authorize' })
    const asked = (notAfter: string) =>
      codes(decide({ artifact: null, minting, request, trustRoots: world.trustRoots({ notAfter }) }))
    expect(asked(AFTER)).not.toContain('SIGNER_UNTRUSTED')
    expect(asked(BEFORE)).toContain('SIGNER_UNTRUSTED')
  })
})

it('a denial for a window is evaluated again to the same bytes', async () => {
  const trustRoots = release({ keys: [held('alice', alice, { notAfter: NOW })] })
  const input = world.input({ trustRoots })
  const { record } = decide({ trustRoots })
  const documents = [input.artifact, trustRoots.envelope, input.policy?.envelope, input.revocations.manifest]
  const blobs = new Map(
    documents.flatMap(bytes =>
      bytes == null ? [] : [[world.digestOf(Buffer.from(bytes)), Buffer.from(bytes)]],
    ),
  )
  const again = new Reevaluator(digest => blobs.get(digest) ?? Buffer.alloc(0), {
    governance: [world.governance.public],
  })
  expect((await again.reevaluate(record)).same).toBe(true)
})

describe('counting', () => {
  const people = fc.constantFrom('a', 'b', 'c', 'd')
  const signer = fc.record({
    keyId: fc.constantFrom('1', '2', '3', '4', '5', '6'),
    holder: people,
    role: fc.constantFrom('approver' as const, 'requester' as const),
    notBefore: fc.constantFrom('any', BEFORE, AFTER),
    notAfter: fc.constantFrom('any', BEFORE, AFTER),
  })
  const signed: fc.Arbitrary<Signed> = fc.record({
    rule: fc.record({
      authority: fc.constant('x'),
      threshold: fc.integer({ min: 1, max: 4 }),
      requester: fc.constantFrom('required' as const, 'none' as const),
    }),
    by: fc.array(signer, { maxLength: 8 }),
  })

  it('never loses anything by a signature more, and never gains by a revocation', () => {
    fc.assert(
      fc.property(signed, signer, (before, more) => {
        const after = { ...before, by: [...before.by, more] }
        if (countSigners(before, NOW).met) expect(countSigners(after, NOW).met).toBe(true)
        const isRevoked = (id: string) => id === more.keyId
        if (countSigners(before, NOW, isRevoked).met) expect(countSigners(before, NOW).met).toBe(true)
      }),
    )
  })

  it('is as a person would count: some requester, and enough others', () => {
    fc.assert(
      fc.property(signed, it => {
        const open = it.by.filter(s => !(s.notBefore === AFTER || s.notAfter === BEFORE))
        const approve = new Set(open.filter(s => s.role === 'approver').map(s => s.holder))
        const ask = new Set(open.filter(s => s.role === 'requester').map(s => s.holder))
        const need = it.rule?.threshold ?? 0
        const enough = (without?: string) => [...approve].filter(one => one !== without).length >= need
        const expected = it.rule?.requester === 'none' ? enough() : [...ask].some(enough)
        expect(countSigners(it, NOW).met).toBe(expected)
      }),
    )
  })
})
