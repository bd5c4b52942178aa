import { describe, expect, onTestFinished, test } from 'vitest'
import { signClearance, signHostLabels } from '../../authorization/index.ts'
import { CarryOver } from '../../cli/recover/carry-over.ts'
import { entriesOf } from '../../cli/recover/entries.ts'
import { History } from '../../daemon/history/history.ts'
import type { EventBody } from '../../daemon/recorder.ts'
import { type Lineage, LineageError, type LineageEvent } from '../../lineage/index.ts'
import {
  artifact,
  governance,
  HOST,
  LASTING,
  payloadDigest,
  policyEnvelope,
} from '../authorization/scenario.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'
import { referenceEnvelope } from './support/reference.ts'
import { eventsOf, peer, streams, type World, workload, world } from './support/world.ts'

const fold = (lineage: Lineage) =>
  History.fold(lineage, { governance: [governance.public], hostId: HOST, recoversByItself: false })
const sent = artifact(it => {
  it.validity.maxUses = 5
})
const claim = {
  payload: payloadDigest(sent),
  issuer: 'release',
  id: 'job-1',
  maxUses: 5,
  ...{ notAfter: LASTING.notAfter },
}

const transition = (from: string, to: string): EventBody =>
  ({
    type: 'trust-transition',
    from,
    to,
    epoch: 2,
    reasons: [{ code: 'PCR_VALUE_UNKNOWN', message: 'PCR 7', at: null }],
  }) as EventBody

/** The next epoch of a world's log; `lost` are blobs that nobody can read. */
async function recovered(w: World, lost: readonly string[] = [], nowMs = w.time.wallMs) {
  const blob = (digest: string) =>
    lost.includes(digest)
      ? Promise.reject(new LineageError('BLOB_ABSENT', 'gone', { at: digest }))
      : w.lineage.getBlob(digest)
  const carry = new CarryOver(blob)
  for (const [index, event] of (await eventsOf(w.lineage)).entries()) await carry.take(event, index)
  const carried = await carry.result(nowMs)
  const lineage = await openLog(temporaryDirectory())
  onTestFinished(() => lineage.close())
  const found = {
    note: null,
    beginning: { size: Number(w.lineage.size), root: w.lineage.rootHash() },
    origin: 'writ/host',
    epoch: 1,
  }
  const why = { code: 'LINEAGE_BROKEN', message: 'a tile is missing', at: 'tile/0/000' }
  const entries = await entriesOf(lineage, { found, carried, files: Buffer.alloc(0), why })
  for (const event of entries) await lineage.append(event)
  return { lineage, carried, entries }
}

/** What forbids. */
function forbids(history: History) {
  return {
    revocations: history.revocations.digest,
    policy: history.newestPolicy,
    trust: history.newestTrustRoots,
    labels: history.newestHostLabels,
    secrets: history.newestSecretPolicy,
    reference: [...history.knownReferenceValues].sort(),
    failure: history.failure,
    governed: [...history.governed].sort(),
    open: history.openExecutions.map(({ executionId }) => executionId),
  }
}

/** A world with something of each kind, and one execution that runs. */
async function eventful(): Promise<{ w: World; executionId: string }> {
  const w = await world()
  await w.revoke(1, { kind: 'key', id: 'ab'.repeat(32) })
  await w.revoke(2, { kind: 'artifact', digest: 'cd'.repeat(32) })
  await w.governance.loadReferenceValues(referenceEnvelope('a', governance, 7))
  await w.governance.loadReferenceValues(referenceEnvelope('b', governance, 2))
  await w.governance.loadHostLabels(
    signHostLabels({ version: 4, host: HOST, labels: ['gpu'], notAfter: 'any' }, governance),
  )
  const permit = await w.decider.decide(peer(), 'execute', sent, workload())
  const gone = w.executor.run(permit, peer(), streams(), new AbortController().signal)
  await expect.poll(() => w.launcher.steps).toContain('start 1')
  const { executionId } = permit.input.request
  onTestFinished(async () => {
    w.launcher.end(executionId)
    await gone.catch(() => undefined)
  })
  await w.governance.loadPolicy(policyEnvelope({ version: 2 }))
  return { w, executionId }
}

describe('an epoch goes on with', () => {
  test('all that forbids, and what was running', async () => {
    const { w, executionId } = await eventful()
    await w.recorder.record(transition('ATTESTED', 'FAILED'))
    const { lineage, carried } = await recovered(w)
    const [old, now] = [await fold(w.lineage), await fold(lineage)]
    expect(forbids(now)).toEqual(forbids(old))
    expect(now.openExecutions).toMatchObject([{ executionId, decision: 0n }])
    expect(old.failure).not.toBeNull()
    expect(now.unacceptedEpoch).toBe(2)
    expect(now.unvouched).toEqual([])
    expect(carried).toMatchObject({ faults: [], facts: { lost: [] }, counts: { revocations: 2, running: 1 } })
  })

  test('nothing that permits, once it is accepted: that is loaded again, none of it older', async () => {
    const { w } = await eventful()
    const { lineage } = await recovered(w)
    expect((await fold(lineage)).policy).not.toBeNull()
    const tail = Number(lineage.size)
    const root = lineage.rootHash().toString('hex')
    const clears = { kind: 'epoch' as const, epoch: 2, counter: '7', tail, root }
    const envelope = signClearance({ version: 1, host: HOST, clears }, governance)
    const accepted = (change: object): LineageEvent =>
      ({
        ...{ v: 1, time: new Date(w.time.wallMs).toISOString(), bootNs: '1', type: 'epoch-accepted' },
        ...{ epoch: 2, counter: '7', tail, root, digest: 'ab'.repeat(32), blob },
        ...change,
      }) as LineageEvent
    const blob = await lineage.putBlob(envelope)
    await lineage.append(accepted({}))
    const now = await fold(lineage)
    expect(now).toMatchObject({
      ...{ unacceptedEpoch: null, unvouched: [] },
      ...{ policy: null, trustRoots: null, hostLabels: null, referenceValues: null },
    })
    expect(now.newestPolicy?.version).toBe(2)
    expect(now.revocations.epoch).toBe(2)
    // What was used before counts as used, whatever the new log knows of it.
    expect(now.uses.view(claim, '2027-01-01T00:00:00.000Z').uncleanSince).toBe(
      new Date(w.time.wallMs).toISOString(),
    )
    // A clearance of something else is told of, and forbids as much.
    await lineage.append(accepted({ epoch: 3 }))
    expect((await fold(lineage)).unvouched).toHaveLength(1)
  })

  test('a failure, also one that a clearance ended: the old log says so, and nobody vouches for that', async () => {
    const w = await world()
    const index = await w.recorder.record(transition('ATTESTED', 'FAILED'))
    await w.recorder.record(transition('FAILED', 'UNATTESTED'))
    expect((await fold((await recovered(w)).lineage)).failure).not.toBeNull()
    const clearance = (transition: number) =>
      signClearance({ version: 1, host: HOST, clears: { kind: 'failure', transition } }, governance)
    const blob = await w.lineage.putBlob(clearance(Number(index)))
    await w.recorder.record({ type: 'failure-cleared', digest: 'ab'.repeat(32), blob })
    expect((await fold(w.lineage)).failure).toBeNull()
    expect((await fold((await recovered(w)).lineage)).failure).not.toBeNull()
  })

  test('what is left where a revocation cannot be read, and names it as lost', async () => {
    const { w } = await eventful()
    const [first] = (await eventsOf(w.lineage)).filter(event => event.type === 'revocation')
    if (first?.type !== 'revocation') return expect.fail('there is no revocation')
    const { lineage, carried, entries } = await recovered(w, [first.blob])
    expect(carried.facts.lost).toEqual([{ index: expect.any(Number), type: 'revocation', blob: first.blob }])
    expect(carried.faults).toEqual([expect.objectContaining({ code: 'BLOB_ABSENT' })])
    const now = await fold(lineage)
    expect(now.revocations.has('artifact', 'cd'.repeat(32))).toBe(true)
    expect(now.revocations.has('key', 'ab'.repeat(32))).toBe(false)
    const [revocation] = entries.filter(event => event.type === 'revocation')
    expect(revocation).toMatchObject({ manifest: now.revocations.digest })
  })

  test('an older policy where the newest cannot be read, which is named as lost', async () => {
    const { w } = await eventful()
    const newest = (await eventsOf(w.lineage)).filter(event => event.type === 'policy').at(-1)
    if (newest?.type !== 'policy') return expect.fail('there is no policy')
    const { lineage, carried } = await recovered(w, [newest.blob])
    expect(carried.facts.lost).toEqual([expect.objectContaining({ type: 'policy', blob: newest.blob })])
    expect((await fold(lineage)).newestPolicy?.version).toBe(1)
  })

  test('a wall clock that is not relied on, or that was set back since', async () => {
    const w = await world()
    expect((await fold((await recovered(w)).lineage)).clockFault).toBeNull()
    const back = await recovered(w, [], w.time.wallMs - 60_000)
    expect((await fold(back.lineage)).clockFault?.why).toContain('behind what was already recorded')
    await w.recorder.record({ type: 'clock-untrusted', why: 'it was set' })
    expect((await fold((await recovered(w)).lineage)).clockFault?.why).toBe('it was set')
    await w.recorder.record({ type: 'clock-trusted', by: 'return', digest: null, blob: null })
    expect((await fold((await recovered(w)).lineage)).clockFault).toBeNull()
  })
})
