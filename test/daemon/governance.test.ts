import { describe, expect, test } from 'vitest'
import {
  type HostLabelsFields,
  signClearance,
  signHostLabels,
  signPolicyBundle,
  signRevocation,
  signTrustRoots,
} from '../../authorization/index.ts'
import { CLOCK_CLEARANCE_MS } from '../../daemon/governance.ts'
import { rfc3339 } from '../../daemon/recorder.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import {
  alice,
  authority,
  governance,
  HOST,
  held,
  LASTING,
  mallory,
  NOW,
  OTHER_HOST,
  PERMIT_ALL,
  policyEnvelope,
} from '../authorization/scenario.ts'
import { faultyIo } from '../lineage/support/faulty-io.ts'
import { referenceEnvelope } from './support/reference.ts'
import { ofType, type World, world } from './support/world.ts'

const roots = (version: number, key = governance) =>
  signTrustRoots({ ...LASTING, version, authorities: [authority('release', held('alice', alice))] }, key)
const revocation = (epoch: number, key = governance) =>
  signRevocation({ version: 1, epoch, revoke: [{ kind: 'key', id: 'ab'.repeat(32) }] }, key)
const foreignPolicy = () => {
  const { payload } = JSON.parse(policyEnvelope({ version: 5 }).toString())
  return signPolicyBundle(JSON.parse(Buffer.from(payload, 'base64').toString()), mallory)
}
const labelsEnvelope = (fields: Partial<HostLabelsFields> = {}, key = governance) =>
  signHostLabels({ version: 1, host: HOST, labels: ['gpu'], notAfter: 'any', ...fields }, key)
const clearance = (clears: Parameters<typeof signClearance>[0]['clears'], host = HOST, key = governance) =>
  signClearance({ version: 1, host, clears }, key)

const inForce = ({ history }: World) => [
  history.policy?.digest,
  history.hostLabels?.digest,
  history.trustRoots?.digest,
  history.referenceValues?.digest,
  history.revocations.digest,
  history.failureIndex,
  history.uncleanTail,
]

describe('a change', () => {
  test('is durable, with all that it needs, before it is in force', async () => {
    const w = await world()
    const append = w.lineage.append.bind(w.lineage)
    const seen: unknown[] = []
    Object.assign(w.lineage, {
      append: async (event: Parameters<typeof append>[0]) => {
        const before = inForce(w)
        const done = await append(event)
        seen.push([before, inForce(w)])
        return done
      },
    })
    const policy = policyEnvelope({ version: 2 })
    const { digest, lineageIndex } = await w.governance.loadPolicy(policy)
    await w.governance.loadTrustRoots(roots(2))
    await w.governance.loadReferenceValues(referenceEnvelope('a', governance))
    await w.governance.revoke(revocation(1))
    expect(seen).toHaveLength(4)
    for (const [before, after] of seen as [unknown, unknown][]) expect(after).toEqual(before)
    expect(w.history.policy?.digest).toBe(digest)
    const events = await w.events()
    expect(events[Number(lineageIndex)]).toMatchObject({ type: 'policy', digest, version: 2 })
    for (const event of events.filter(event => 'blob' in event)) {
      await expect(w.lineage.getBlob('blob' in event ? (event.blob ?? '') : '')).resolves.toBeDefined()
    }
    expect(await w.lineage.getBlob(w.history.revocations.digest)).toEqual(w.history.revocations.manifest)
    expect(await w.lineage.getBlob(sha256Hex(policy))).toEqual(policy)
  })

  const bad: [string, (w: World) => Promise<unknown>, string][] = [
    [
      'a policy that is over',
      w => w.governance.loadPolicy(policyEnvelope({ version: 9, notAfter: NOW })),
      'NOT_VALID_NOW',
    ],
    [
      'a policy that has not begun',
      w => w.governance.loadPolicy(policyEnvelope({ version: 9, notBefore: '2027-01-01T00:00:00.000Z' })),
      'NOT_VALID_NOW',
    ],
    [
      'a policy of which one text does not parse',
      w =>
        w.governance.loadPolicy(
          policyEnvelope({ version: 9, policies: { all: PERMIT_ALL, bad: 'permit (' } }),
        ),
      'POLICY_INVALID',
    ],
    ['older labels', w => w.governance.loadHostLabels(labelsEnvelope({ version: 1 })), 'ROLLED_BACK'],
    [
      'other labels of the same version',
      w => w.governance.loadHostLabels(labelsEnvelope({ version: 3, labels: ['cpu'] })),
      'ROLLED_BACK',
    ],
    [
      'labels of another host',
      w => w.governance.loadHostLabels(labelsEnvelope({ version: 9, host: OTHER_HOST })),
      'WRONG_HOST',
    ],
    [
      'labels that are over',
      w => w.governance.loadHostLabels(labelsEnvelope({ version: 9, notAfter: NOW })),
      'NOT_VALID_NOW',
    ],
    [
      'labels of another key',
      w => w.governance.loadHostLabels(labelsEnvelope({ version: 9 }, mallory)),
      'DOCUMENT_UNSIGNED',
    ],
    ['an older policy', w => w.governance.loadPolicy(policyEnvelope({ version: 1 })), 'ROLLED_BACK'],
    [
      'another policy of the same version',
      w => w.governance.loadPolicy(policyEnvelope({ version: 3, policies: {} })),
      'ROLLED_BACK',
    ],
    [
      'other trust of the same version',
      w =>
        w.governance.loadTrustRoots(signTrustRoots({ ...LASTING, version: 2, authorities: [] }, governance)),
      'ROLLED_BACK',
    ],
    [
      'trust that has ended',
      w =>
        w.governance.loadTrustRoots(
          signTrustRoots({ version: 9, notAfter: NOW, authorities: [] }, governance),
        ),
      'NOT_VALID_NOW',
    ],
    ['older trust', w => w.governance.loadTrustRoots(roots(1)), 'ROLLED_BACK'],
    ['an older revocation', w => w.governance.revoke(revocation(1)), 'ROLLED_BACK'],
    ['a policy of another key', w => w.governance.loadPolicy(foreignPolicy()), 'DOCUMENT_UNSIGNED'],
    ['trust of another key', w => w.governance.loadTrustRoots(roots(9, mallory)), 'DOCUMENT_UNSIGNED'],
    ['a revocation of another key', w => w.governance.revoke(revocation(9, mallory)), 'DOCUMENT_UNSIGNED'],
    [
      'reference values of another key',
      w => w.governance.loadReferenceValues(referenceEnvelope('b', mallory)),
      'DOCUMENT_UNSIGNED',
    ],
    [
      'older reference values',
      w => w.governance.loadReferenceValues(referenceEnvelope('a', governance, 2)),
      'REFERENCE_ROLLED_BACK',
    ],
    [
      'other reference values of the same revision',
      w =>
        w.governance.loadReferenceValues(
          referenceEnvelope('a', governance, 3, { quirks: ['separator-data-padded'] }),
        ),
      'REFERENCE_REVISION_REUSED',
    ],
    [
      'a clearance of another key',
      w => w.governance.clear(clearance({ kind: 'failure', transition: 0 }, HOST, mallory)),
      'DOCUMENT_UNSIGNED',
    ],
    ['a document of another kind', w => w.governance.loadPolicy(roots(9)), 'DOCUMENT_MALFORMED'],
    ['no document', w => w.governance.revoke(Buffer.from('{}')), 'DOCUMENT_MALFORMED'],
  ]
  test('that does not verify, or goes back, leaves the old in force and the log as it was', async () => {
    const w = await world()
    await w.governance.loadPolicy(policyEnvelope({ version: 3 }))
    await w.governance.loadHostLabels(labelsEnvelope({ version: 3 }))
    await w.governance.loadTrustRoots(roots(3))
    await w.governance.revoke(revocation(3))
    await w.governance.loadReferenceValues(referenceEnvelope('a', governance, 3))
    // Of another name: that the newest of each is remembered, not the last.
    await w.governance.loadReferenceValues(referenceEnvelope('b', governance, 1))
    const before = [inForce(w), w.lineage.size]
    for (const [what, change, code] of bad) {
      await expect(change(w), what).rejects.toMatchObject({ code })
      expect([inForce(w), w.lineage.size], what).toEqual(before)
      expect(w.governance.refused, what).toMatchObject({ code, time: NOW })
    }
    expect(w.governance.refused).toMatchObject({ kind: 'revocation', at: '' })
  })

  test('that was turned away is told of until one of its kind is taken', async () => {
    const w = await world()
    await w.governance.loadPolicy(policyEnvelope({ version: 1, notAfter: NOW })).catch(() => undefined)
    await w.governance.loadTrustRoots(roots(2))
    expect(w.governance.refused).toEqual({ kind: 'policy', time: NOW, code: 'ROLLED_BACK', at: 'version' })
    await w.governance.loadPolicy(policyEnvelope({ version: 2 }))
    expect(w.governance.refused).toBeNull()
  })

  test('at the start may be a policy that decides nothing now: there is no other', async () => {
    const w = await world()
    await w.governance.loadPolicy(policyEnvelope({ version: 2, notAfter: NOW }), true)
    expect(w.history.policy?.notAfter).toBe(NOW)
  })

  test('that cannot be recorded is not in force', async () => {
    const io = faultyIo()
    const w = await world({ io })
    const before = inForce(w)
    io.fail('open', 1, 'did not persist', 'ENOSPC')
    await expect(w.governance.revoke(revocation(1))).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
    expect(inForce(w)).toEqual(before)
    io.fail('fdatasync', 1, 'did persist')
    await expect(w.governance.loadTrustRoots(roots(2))).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
    expect(inForce(w)).toEqual(before)
  })

  test('that revokes is told of before the log is written, and only once it is verified: a kill never waits', async () => {
    const io = faultyIo()
    const w = await world({ io })
    const told: number[] = []
    const tell = (next: { epoch: number }) => void told.push(next.epoch)
    await expect(w.governance.revoke(revocation(1, mallory), tell)).rejects.toBeDefined()
    expect(told).toEqual([])
    await w.governance.revoke(revocation(1), tell)
    await expect(w.governance.revoke(revocation(1), tell)).rejects.toMatchObject({ code: 'ROLLED_BACK' })
    expect(told).toEqual([1])
    io.fail('open', 1, 'did not persist', 'ENOSPC')
    await expect(w.governance.revoke(revocation(2), tell)).rejects.toMatchObject({
      code: 'LINEAGE_UNAVAILABLE',
    })
    expect(told).toEqual([1, 2])
  })

  test('waits for the one before: of many at once the log has an order, and each sees the last', async () => {
    const w = await world()
    const epochs = [1, 2, 2, 1, 3]
    const results = await Promise.allSettled(epochs.map(epoch => w.governance.revoke(revocation(epoch))))
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'fulfilled',
    ])
    expect(ofType(await w.events(), 'revocation').map(({ epoch }) => epoch)).toEqual([1, 2, 3])
    expect(w.history.revocations.epoch).toBe(3)
  })
})

describe('a clearance', () => {
  async function failed(): Promise<World> {
    const w = await world()
    w.gate.close('FAILED', [{ code: 'PCR_VALUE_UNKNOWN', message: 'PCR 7' }])
    w.history.failure = [{ code: 'PCR_VALUE_UNKNOWN', message: 'PCR 7' }]
    w.history.failureIndex = 17n
    return w
  }

  test('for this host and this failure leads to UNATTESTED, once', async () => {
    const w = await failed()
    const document = clearance({ kind: 'failure', transition: 17 })
    await w.governance.clear(document)
    expect(w.gate.snapshot().state).toBe('UNATTESTED')
    expect(w.history).toMatchObject({ failure: null, failureIndex: null })
    expect(ofType(await w.events(), 'failure-cleared')).toHaveLength(1)
    w.gate.close('FAILED', [])
    w.history.failureIndex = 23n
    await expect(w.governance.clear(document)).rejects.toMatchObject({ code: 'CLEARANCE_NOT_APPLICABLE' })
    expect(w.gate.snapshot().state).toBe('FAILED')
  })

  test.each([
    ['another host', clearance({ kind: 'failure', transition: 17 }, OTHER_HOST)],
    ['another failure', clearance({ kind: 'failure', transition: 16 })],
    ['a tail that is not in doubt', clearance({ kind: 'tail', tail: 17 })],
  ])('for %s changes nothing', async (_, document) => {
    const w = await failed()
    const { size } = w.lineage
    await expect(w.governance.clear(document)).rejects.toMatchObject({ code: 'CLEARANCE_NOT_APPLICABLE' })
    expect(w.gate.snapshot().state).toBe('FAILED')
    expect([w.history.failureIndex, w.lineage.size]).toEqual([17n, size])
  })

  test('for the tail in doubt lets limited uses count again', async () => {
    const w = await world()
    w.history.uncleanTail = 5n
    w.history.uses.setUncleanSince('2026-11-21T02:00:00.000Z')
    const claim = { payload: 'ab'.repeat(32), issuer: 'release', id: 'x', maxUses: 1 }
    await expect(w.governance.clear(clearance({ kind: 'tail', tail: 4 }))).rejects.toMatchObject({
      code: 'CLEARANCE_NOT_APPLICABLE',
    })
    expect(w.history.uses.view(claim, '2027-01-01T00:00:00.000Z').uncleanSince).not.toBeNull()
    await w.governance.clear(clearance({ kind: 'tail', tail: 5 }))
    expect(w.history.uncleanTail).toBeNull()
    expect(w.history.uses.view(claim, '2027-01-01T00:00:00.000Z').uncleanSince).toBeNull()
  })

  /** A host of which entry 17 says that its clock was set forward by an hour. */
  async function clockInDoubt(io?: ReturnType<typeof faultyIo>): Promise<World> {
    const w = await world(io === undefined ? {} : { io })
    w.clock.now()
    w.time.wallMs += 3_600_000
    expect(w.clock.now().untrusted).toMatch(/set forward/)
    w.history.clockFault = { index: 17n, why: 'it was set' }
    return w
  }
  const clockAt = (w: World, aheadMs: number, entry = 17) =>
    clearance({ kind: 'clock', entry, time: rfc3339(w.time.wallMs + aheadMs) })

  test.each([-CLOCK_CLEARANCE_MS, CLOCK_CLEARANCE_MS])(
    'for the wall clock by a clock that is off by %d ms: relied on from there on',
    async aheadMs => {
      const w = await clockInDoubt()
      const document = clockAt(w, aheadMs)
      const { lineageIndex } = await w.governance.clear(document)
      expect((await w.events())[Number(lineageIndex)]).toMatchObject({
        type: 'clock-trusted',
        by: 'operator',
      })
      expect([w.history.clockFault, w.clock.now().untrusted]).toEqual([null, null])
      w.time.wallMs += 3_600_000
      expect(w.clock.now().untrusted).toMatch(/set forward/)
      // It is good for one entry.
      await expect(w.governance.clear(document)).rejects.toMatchObject({ code: 'CLEARANCE_NOT_APPLICABLE' })
      w.history.clockFault = { index: 23n, why: 'again' }
      await expect(w.governance.clear(document)).rejects.toMatchObject({ code: 'CLEARANCE_NOT_APPLICABLE' })
      expect(w.clock.now().untrusted).not.toBeNull()
    },
  )

  test.each<[string, (w: World) => Buffer, string]>([
    [
      'another host',
      w => clearance({ kind: 'clock', entry: 17, time: rfc3339(w.time.wallMs) }, OTHER_HOST),
      'it is for host',
    ],
    ['another entry', w => clockAt(w, 0, 16), 'entry 16'],
    ['a clock that is further ahead', w => clockAt(w, CLOCK_CLEARANCE_MS + 1), 'it says'],
    ['a clock that is further behind', w => clockAt(w, -CLOCK_CLEARANCE_MS - 1), 'it says'],
    ['a failure', () => clearance({ kind: 'failure', transition: 17 }), 'not the failure'],
  ])('of the wall clock for %s changes nothing', async (_, document, why) => {
    const w = await clockInDoubt()
    const { size } = w.lineage
    await expect(w.governance.clear(document(w))).rejects.toMatchObject({
      code: 'CLEARANCE_NOT_APPLICABLE',
      message: expect.stringContaining(why),
    })
    expect(w.clock.now().untrusted).not.toBeNull()
    expect([w.history.clockFault?.index, w.lineage.size]).toEqual([17n, size])
  })

  test('of the wall clock that could not be recorded, or is by another key or a revoked one, clears nothing', async () => {
    const io = faultyIo()
    const w = await clockInDoubt(io)
    const time = rfc3339(w.time.wallMs)
    const foreign = clearance({ kind: 'clock', entry: 17, time }, HOST, mallory)
    await expect(w.governance.clear(foreign)).rejects.toMatchObject({ code: 'DOCUMENT_UNSIGNED' })
    io.fail('fdatasync', 1, 'did not persist')
    await expect(w.governance.clear(clockAt(w, 0))).rejects.toMatchObject({ code: 'LINEAGE_UNAVAILABLE' })
    expect(w.clock.now().untrusted).not.toBeNull()
    expect(w.history.clockFault?.index).toBe(17n)
    const revoked = await clockInDoubt()
    await revoked.revoke(1, { kind: 'key', id: governance.public.id })
    await expect(revoked.governance.clear(clockAt(revoked, 0))).rejects.toMatchObject({
      code: 'DOCUMENT_REVOKED',
    })
    expect(revoked.clock.now().untrusted).not.toBeNull()
  })

  test('that could not be recorded clears nothing', async () => {
    const io = faultyIo()
    const w = await world({ io })
    w.gate.close('FAILED', [])
    w.history.failureIndex = 17n
    io.fail('fdatasync', 1, 'did not persist')
    await expect(w.governance.clear(clearance({ kind: 'failure', transition: 17 }))).rejects.toMatchObject({
      code: 'LINEAGE_UNAVAILABLE',
    })
    expect(w.gate.snapshot().state).toBe('FAILED')
    expect(w.history.failureIndex).toBe(17n)
  })
})
