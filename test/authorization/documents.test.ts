import { ECDH } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  AuthorizationError,
  checkLabelsSuccessor,
  checkTrustSuccessor,
  labelsInForce,
  openClearance,
  openHostLabels,
  openRevocation,
  openTrustRoots,
  parseHostLabels,
  parseRevocation,
  parseTrustRoots,
  RevocationSet,
  signClearance,
  signHostLabels,
  signRevocation,
  signTrustRoots,
  TRUST_PAYLOAD_TYPE,
} from '../../authorization/index.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import { signEnvelope } from '../../signing/dsse.ts'
import * as world from './scenario.ts'
import { held, LASTING } from './scenario.ts'

const failure = (work: () => unknown): string => {
  try {
    work()
  } catch (error) {
    if (error instanceof AuthorizationError) return error.code
    throw error
  }
  return 'none'
}
const governance = [world.governance.public]
const trust = (...authorities: object[]) =>
  failure(() => parseTrustRoots(canonicalJsonBytes({ ...LASTING, version: 1, authorities })))

/** The same key with its point compressed (SEC 1 section 2.3.3). */
function compressed(key: typeof world.bob): string {
  const point = ECDH.convertKey(
    key.public.spki.subarray(-65),
    'prime256v1',
    undefined,
    undefined,
    'compressed',
  )
  const header = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex')
  return Buffer.concat([header, point as Buffer]).toString('base64')
}

describe('the labels of a host', () => {
  const fields = { version: 2, host: world.HOST, labels: ['gpu', 'pool=a'], notAfter: world.NOW }

  it('are read as they were signed, and have no force from their end on', () => {
    const labels = openHostLabels(signHostLabels(fields, world.governance), governance)
    expect(labels).toMatchObject(fields)
    expect(labelsInForce(labels, '2026-11-21T01:59:59.999Z')).toEqual(['gpu', 'pool=a'])
    expect(labelsInForce(labels, world.NOW)).toEqual([])
    expect(labelsInForce(null, world.NOW)).toEqual([])
  })

  it('are taken only with the signature of a governance key that the reader has', () => {
    const envelope = signHostLabels(fields, world.mallory)
    expect(failure(() => openHostLabels(envelope, governance))).toBe('DOCUMENT_UNSIGNED')
  })

  it.each([
    ['version', 0],
    ['host', 'any'],
    ['labels', ['a', 'a']],
    ['labels', ['a b']],
    ['labels', 'any'],
    ['notAfter', '2026'],
    ['more', 1],
  ])('are refused with %s %j', (name, value) => {
    const payload = canonicalJsonBytes({ ...fields, [name]: value })
    expect(failure(() => parseHostLabels(payload))).toBe('LABELS_MALFORMED')
  })

  it('are for one host, and never go back on it', () => {
    const known = openHostLabels(signHostLabels(fields, world.governance), governance)
    const next = (change: Partial<typeof fields>) =>
      failure(() =>
        checkLabelsSuccessor(
          known,
          openHostLabels(signHostLabels({ ...fields, ...change }, world.governance), governance),
          world.HOST,
        ),
      )
    expect(next({})).toBe('none')
    expect(next({ version: 3, labels: [] })).toBe('none')
    expect(next({ labels: [] })).toBe('ROLLED_BACK')
    expect(next({ version: 1 })).toBe('ROLLED_BACK')
    expect(next({ version: 3, host: world.OTHER_HOST })).toBe('WRONG_HOST')
  })
})

describe('trust roots', () => {
  const keys = [held('alice', world.alice), held('bob', world.bob)]
  const none = { requester: 'none' }

  it('name the keys and the threshold of each authority', () => {
    const roots = world.trustRoots()
    expect(roots.authorities.get('board')).toMatchObject({ threshold: 2 })
    expect(roots.keys).toHaveLength(3)
  })

  it('are taken only with the signature of a governance key that the reader has', () => {
    const envelope = signTrustRoots({ ...LASTING, version: 1, authorities: [] }, world.mallory)
    expect(failure(() => openTrustRoots(envelope, governance))).toBe('DOCUMENT_UNSIGNED')
    expect(failure(() => openTrustRoots(envelope, []))).toBe('DOCUMENT_UNSIGNED')
    const other = signEnvelope('text/plain', Buffer.from('{}'), [world.governance])
    expect(failure(() => openTrustRoots(other, governance))).toBe('DOCUMENT_MALFORMED')
    expect(failure(() => openTrustRoots(Buffer.from('{'), governance))).toBe('DOCUMENT_MALFORMED')
    const nonsense = signEnvelope(TRUST_PAYLOAD_TYPE, Buffer.from('[]'), [world.governance])
    expect(failure(() => openTrustRoots(nonsense, governance))).toBe('TRUST_MALFORMED')
  })

  it('are refused when a threshold is none', () => {
    for (const threshold of [0, -1, 3, 1.5, '1']) {
      expect([threshold, trust({ name: 'a', threshold, ...none, keys })]).toEqual([
        threshold,
        'TRUST_MALFORMED',
      ])
    }
    expect(trust({ name: 'a', threshold: 2, ...none, keys })).toBe('none')
    expect(trust({ name: 'a', threshold: 1, ...none, keys: [] })).toBe('TRUST_MALFORMED')
  })

  it('count no key twice, in whatever spelling', () => {
    const other = (key: string) => ({ ...held('other', world.bob), key })
    expect(trust({ name: 'a', threshold: 1, ...none, keys: [keys[1], keys[1]] })).toBe('TRUST_MALFORMED')
    expect(trust({ name: 'a', threshold: 1, ...none, keys: [keys[1], other(compressed(world.bob))] })).toBe(
      'TRUST_MALFORMED',
    )
    const trailing = Buffer.concat([world.bob.public.spki, Buffer.of(0)]).toString('base64')
    expect(trust({ name: 'a', threshold: 1, ...none, keys: [other(trailing)] })).toBe('TRUST_MALFORMED')
  })

  it('are refused when an authority could be taken for a host, or is there twice', () => {
    expect(trust({ name: `host:${world.HOST}`, threshold: 1, ...none, keys })).toBe('TRUST_MALFORMED')
    const a = { name: 'a', threshold: 1, ...none, keys }
    expect(trust(a, a)).toBe('TRUST_MALFORMED')
  })

  it('are refused with an unknown field or a key that is none', () => {
    expect(trust({ name: 'a', threshold: 1, ...none, keys, x: 1 })).toBe('TRUST_MALFORMED')
    expect(
      trust({ name: 'a', threshold: 1, ...none, keys: [{ ...held('a', world.alice), key: 'AAAA' }] }),
    ).toBe('TRUST_MALFORMED')
  })

  it('say of each key who has it, in which part and when it counts', () => {
    const a = (...of: object[]) => trust({ name: 'a', threshold: 1, ...none, keys: of })
    const alice = held('alice', world.alice)
    const [early, late] = ['2026-01-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']
    expect(a({ ...alice, notBefore: early, notAfter: late })).toBe('none')
    for (const wrong of [
      { notBefore: late, notAfter: early },
      { notBefore: early, notAfter: early },
      { notAfter: '2026-01-01' },
      { notAfter: null },
      { role: 'owner' },
      { holder: '' },
      { holder: 'alice b' },
      { holder: `host:${world.HOST}` },
      { holder: 'a'.repeat(129) },
    ])
      expect([wrong, a({ ...alice, ...wrong })]).toEqual([wrong, 'TRUST_MALFORMED'])
    for (const field of ['key', 'holder', 'role', 'notBefore', 'notAfter'])
      expect([field, a({ ...alice, [field]: undefined })]).toEqual([field, 'TRUST_MALFORMED'])
  })

  it('are refused when a threshold counts voices that are not there', () => {
    const [alice, bob] = [held('alice', world.alice), held('bob', world.bob)]
    const asks = (holder: string, key: typeof world.alice) => held(holder, key, { role: 'requester' })
    const a = (threshold: number, requester: string, ...of: object[]) =>
      trust({ name: 'a', threshold, requester, keys: of })
    expect(a(2, 'none', alice, held('alice', world.bob))).toBe('TRUST_MALFORMED')
    expect(a(1, 'none', alice, asks('bob', world.bob))).toBe('TRUST_MALFORMED')
    expect(a(1, 'required', alice, bob)).toBe('TRUST_MALFORMED')
    expect(a(1, 'required', alice, asks('alice', world.bob))).toBe('TRUST_MALFORMED')
    expect(a(1, 'required', asks('alice', world.alice))).toBe('TRUST_MALFORMED')
    expect(a(1, 'required', alice, asks('bob', world.bob))).toBe('none')
    expect(a(2, 'required', alice, bob, asks('bob', world.carol))).toBe('TRUST_MALFORMED')
    expect(a(2, 'required', alice, bob, asks('carol', world.carol))).toBe('none')
    expect(a(1, 'maybe', alice)).toBe('TRUST_MALFORMED')
  })

  it('give one key to one holder, in all authorities', () => {
    const named = (name: string, holder: string) => ({
      ...{ name, threshold: 1, ...none, keys: [held(holder, world.alice)] },
    })
    expect(trust(named('a', 'alice'), named('b', 'alice'))).toBe('none')
    expect(trust(named('a', 'alice'), named('b', 'eve'))).toBe('TRUST_MALFORMED')
  })

  it('end, or say that they do not', () => {
    const payload = (fields: object) => canonicalJsonBytes({ version: 1, authorities: [], ...fields })
    expect(parseTrustRoots(payload({ notAfter: world.NOW })).notAfter).toBe(world.NOW)
    expect(failure(() => parseTrustRoots(payload({})))).toBe('TRUST_MALFORMED')
    expect(failure(() => parseTrustRoots(payload({ notAfter: 'never' })))).toBe('TRUST_MALFORMED')
  })

  it('only go up in version', () => {
    const one = world.trustRoots()
    const two = world.trustRoots({ version: 2 })
    expect(failure(() => checkTrustSuccessor(one, two))).toBe('none')
    expect(failure(() => checkTrustSuccessor(null, two))).toBe('none')
    expect(failure(() => checkTrustSuccessor(two, two))).toBe('none')
    expect(failure(() => checkTrustSuccessor(two, one))).toBe('ROLLED_BACK')
    expect(failure(() => checkTrustSuccessor(one, world.trustRoots({ authorities: [] })))).toBe('ROLLED_BACK')
  })
})

describe('revocations', () => {
  const program = { kind: 'program', digest: world.PROGRAM_DIGEST } as const
  const revocation = (epoch: number, ...revoke: (typeof program)[]) =>
    openRevocation(
      signRevocation({ version: 1, epoch, revoke: revoke.length > 0 ? revoke : [program] }, world.governance),
      governance,
    )

  it('add up, and keep the epoch that revoked first', () => {
    const other = { kind: 'program', digest: world.MODEL_DIGEST } as const
    const set = RevocationSet.empty.with(revocation(2, program)).with(revocation(5, other, program))
    expect(set.epoch).toBe(5)
    expect(set.list()).toEqual([
      { kind: 'program', id: world.PROGRAM_DIGEST, epoch: 2 },
      { kind: 'program', id: world.MODEL_DIGEST, epoch: 5 },
    ])
    expect(RevocationSet.empty.with(revocation(2, program), revocation(5, other, program)).digest).toBe(
      set.digest,
    )
    expect(set.digest).not.toBe(RevocationSet.empty.with(revocation(2, program)).digest)
  })

  it('never go back in epoch, and leave the set as it was', () => {
    const set = RevocationSet.empty.with(revocation(5))
    for (const epoch of [1, 5]) expect(failure(() => set.with(revocation(epoch)))).toBe('ROLLED_BACK')
    expect(set.list()).toHaveLength(1)
    expect(RevocationSet.empty.list()).toHaveLength(0)
  })

  it('are taken only with the signature of a governance key that the reader has', () => {
    const envelope = signRevocation({ version: 1, epoch: 1, revoke: [program] }, world.mallory)
    expect(failure(() => openRevocation(envelope, governance))).toBe('DOCUMENT_UNSIGNED')
  })

  it('are refused when they are not of the one form', () => {
    const parse = (revoke: object, fields: object = {}) =>
      failure(() => parseRevocation(canonicalJsonBytes({ version: 1, epoch: 1, revoke, ...fields })))
    const id = world.PROGRAM_DIGEST
    for (const kind of ['artifact', 'key', 'program', 'policy']) expect(parse({ [kind]: [id] })).toBe('none')
    expect(parse({ host: [world.HOST], execution: ['ab'.repeat(16)] })).toBe('none')
    expect(parse({ program: Array(2048).fill(id) })).toBe('none')
    const bad: [object, object?][] = [
      [{ program: [id] }, { version: 2 }],
      [{ program: [id] }, { epoch: 0 }],
      [{ program: [id] }, { notAfter: 'any' }],
      [{}],
      [{ program: [] }],
      [{ program: Array(2049).fill(id) }],
      [{ program: Array(2048).fill(id), key: [id] }],
      [{ issuer: [id] }],
      [{ host: [id] }],
      [{ execution: ['x'] }],
      [[{ kind: 'program', digest: id }]],
    ]
    for (const [revoke, fields] of bad) expect(parse(revoke, fields)).toBe('REVOCATION_MALFORMED')
  })
})

describe('clearances', () => {
  const fields = { version: 1, host: world.HOST, clears: { kind: 'tail', tail: 7 } } as const

  it('say what is cleared, on which host', () => {
    expect(openClearance(signClearance(fields, world.governance), governance)).toMatchObject(fields)
  })

  it('are taken only with the signature of a governance key that the reader has, and for their own purpose', () => {
    expect(failure(() => openClearance(signClearance(fields, world.mallory), governance))).toBe(
      'DOCUMENT_UNSIGNED',
    )
    const other = signEnvelope(TRUST_PAYLOAD_TYPE, canonicalJsonBytes(fields), [world.governance])
    expect(failure(() => openClearance(other, governance))).toBe('DOCUMENT_MALFORMED')
  })
})
