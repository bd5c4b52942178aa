import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  checkTrustSuccessor,
  openTrustRoots,
  signClearance,
  signHostLabels,
  signTrustRoots,
} from '../../authorization/index.ts'
import type { Caller } from '../../daemon/core.ts'
import { History } from '../../daemon/history/history.ts'
import type { EventBody } from '../../daemon/recorder.ts'
import { recordedHost } from '../attestation/recorded-host.ts'
import {
  artifact,
  governance,
  HOST,
  LASTING,
  mallory,
  OTHER_HOST,
  PROGRAM_DIGEST,
  payloadDigest,
  policyEnvelope,
} from '../authorization/scenario.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'
import { referenceEnvelope } from './support/reference.ts'
import { peer, streams, type World, workload, world } from './support/world.ts'

const fold = (w: Pick<World, 'lineage'>, key = governance) =>
  History.fold(w.lineage, { governance: [key.public], hostId: HOST, recoversByItself: false })
const sent = artifact(it => {
  it.validity.maxUses = 5
})
const claim = { payload: payloadDigest(sent), issuer: 'release', id: 'job-1', maxUses: 5 }

/** Everything that the fold and the running daemon both know. */
function state(history: History, executions: readonly string[]) {
  return {
    trust: history.trustRoots?.digest,
    policy: history.policy?.digest,
    labels: history.hostLabels?.digest,
    reference: history.referenceValues?.digest,
    known: [...history.knownReferenceValues],
    revocations: history.revocations.digest,
    uses: history.uses.view(claim, '2027-01-01T00:00:00.000Z'),
    failure: history.failure,
    failureIndex: history.failureIndex,
    uncleanTail: history.uncleanTail,
    governed: [...history.governed].sort(),
    owners: executions.map(id => history.ownerOf(id)),
  }
}

async function execute(w: World, who: Caller): Promise<string> {
  const permit = await w.decider.decide(who, 'execute', sent, workload())
  const { executionId } = permit.input.request
  w.launcher.at.start = id => queueMicrotask(() => w.launcher.end(id))
  await w.executor.run(permit, who, streams(), new AbortController().signal)
  return executionId
}

const transition = (from: string, to: string, code = 'PCR_VALUE_UNKNOWN') =>
  ({
    type: 'trust-transition',
    from,
    to,
    epoch: 2,
    reasons: [{ code, message: `${from} to ${to}`, at: null }],
  }) as EventBody

describe('the fold of the log', () => {
  test('is what the running daemon keeps', async () => {
    const w = await world()
    const first = await execute(w, peer())
    await w.governance.loadReferenceValues(referenceEnvelope('a', governance))
    await w.revoke(1, { kind: 'key', id: 'ab'.repeat(32) })
    await w.revoke(2, { kind: 'artifact', digest: 'cd'.repeat(32) })
    await w.governance.loadPolicy(policyEnvelope({ version: 2 }))
    await w.governance.loadHostLabels(
      signHostLabels({ version: 4, host: HOST, labels: ['gpu'], notAfter: 'any' }, governance),
    )
    const second = await execute(w, peer({ gid: 7 })).catch(error => error)
    expect(String(second)).toContain('POLICY_MISMATCH')
    const folded = await fold(w)
    expect(state(folded, [])).toEqual(state(w.history, []))
    expect(folded.uses.view(claim, '2027-01-01T00:00:00.000Z').used).toBe(1)
    // It has ended: whose it was is found in the log by its entries.
    expect(w.history.ownerOf(first)).toEqual({ callerUid: 1000, ancestors: [] })
    expect(folded.ownerOf(first)).toBeUndefined()
    expect(folded.governed.has(PROGRAM_DIGEST)).toBe(true)
    expect(folded.openExecutions).toEqual([])
    expect(folded.hostLabels?.labels).toEqual(['gpu'])
    expect(folded.newestHostLabels).toEqual(w.history.newestHostLabels)
    expect(folded.newestPolicy).toEqual({ version: 2, digest: w.history.policy?.digest })
    expect(folded.clock.floorMs).toBe(w.time.wallMs)
    expect(folded.unvouched).toEqual([])
  })

  test('names what was running, and whose it was', async () => {
    const w = await world()
    const who = peer()
    const permit = await w.decider.decide(who, 'execute', sent, workload())
    const gone = w.executor.run(permit, who, streams(), new AbortController().signal)
    await expect.poll(() => w.launcher.steps).toContain('start 1')
    const { executionId } = permit.input.request
    expect((await fold(w)).openExecutions).toMatchObject([
      { executionId, decision: permit.index, handOver: null },
    ])
    w.launcher.end(executionId)
    await gone
    expect((await fold(w)).openExecutions).toEqual([])
  })

  test('of an empty log forbids everything', async () => {
    const lineage = await openLog(temporaryDirectory())
    const empty = await History.fold(lineage, {
      governance: [governance.public],
      hostId: HOST,
      recoversByItself: false,
    })
    await lineage.close()
    expect(empty.knownReferenceValues.size).toBe(0)
    expect(empty).toMatchObject({ trustRoots: null, policy: null, referenceValues: null })
  })
})

describe('reference values', () => {
  test('that are older stay refused after a restart, whoever signed the newest', async () => {
    const w = await world()
    await w.governance.loadReferenceValues(referenceEnvelope('a', governance, 7))
    const { digest = '' } = w.history.referenceValues ?? {}
    await w.governance.loadReferenceValues(referenceEnvelope('b', governance, 2))
    for (const keys of [[governance.public], [mallory.public]]) {
      const folded = await History.fold(w.lineage, {
        governance: keys,
        hostId: HOST,
        recoversByItself: false,
      })
      expect(folded.knownReferenceValues.get('a')).toEqual({ revision: 7, digest })
      expect(folded.knownReferenceValues.get('b')?.revision).toBe(2)
    }
  })
})

describe('a failure', () => {
  test('outlives the process, whatever the gate said afterwards', async () => {
    const w = await world()
    await w.recorder.record(transition('ATTESTED', 'STALE'))
    const index = await w.recorder.record(transition('STALE', 'FAILED'))
    await w.recorder.record(transition('UNATTESTED', 'ATTESTED'))
    expect(await fold(w)).toMatchObject({
      failure: [{ code: 'PCR_VALUE_UNKNOWN', message: 'STALE to FAILED' }],
      failureIndex: index,
    })
  })

  test('ends with an operator’s clearance', async () => {
    const w = await world()
    w.history.failureIndex = await w.recorder.record(transition('STALE', 'FAILED'))
    const clears = { kind: 'failure' as const, transition: Number(w.history.failureIndex) }
    await w.governance.clear(signClearance({ version: 1, host: HOST, clears }, governance))
    expect(await fold(w)).toMatchObject({ failure: null, failureIndex: null })
  })
})

test('after an unclean stop limited uses are in doubt, until an operator accepts the tail', async () => {
  const before = await world()
  await execute(before, peer())
  // What a crash leaves: the files as they are, with no stop.
  const dir = join(temporaryDirectory(), 'copy')
  cpSync(before.dir, dir, { recursive: true })
  const lineage = await openLog(dir)
  onTestFinished(() => lineage.close())
  expect(lineage.openedAfterUncleanStop).toBe(true)
  const tail = Number(lineage.tailIndex)
  const time = '2026-11-21T03:00:00.000Z'
  await lineage.append({ v: 1, type: 'recovery', time, bootNs: '1', tail })
  const doubtful = await fold({ lineage })
  expect(doubtful.uncleanTail).toBe(BigInt(tail))
  expect(doubtful.uses.view(claim, '2027-01-01T00:00:00.000Z')).toMatchObject({ used: 1, uncleanSince: time })
  const accepted = '2026-11-21T03:01:00.000Z'
  const accept = async (envelope: Buffer) => {
    const blob = await lineage.putBlob(envelope)
    const digest = 'ab'.repeat(32)
    await lineage.append({ v: 1, type: 'tail-accepted', time: accepted, bootNs: '2', tail, digest, blob })
    return fold({ lineage })
  }
  const clears = { kind: 'tail' as const, tail }
  for (const envelope of [
    Buffer.from('no clearance'),
    signClearance({ version: 1, host: HOST, clears }, mallory),
    signClearance({ version: 1, host: OTHER_HOST, clears }, governance),
    signClearance({ version: 1, host: HOST, clears: { kind: 'tail', tail: tail + 1 } }, governance),
    signClearance({ version: 1, host: HOST, clears: { kind: 'failure', transition: tail } }, governance),
  ]) {
    expect((await accept(envelope)).uncleanTail).toBe(BigInt(tail))
  }
  const trusted = await accept(signClearance({ version: 1, host: HOST, clears }, governance))
  expect(trusted.uncleanTail).toBeNull()
  expect(trusted.uses.view(claim, '2027-01-01T00:00:00.000Z')).toMatchObject({ used: 1, uncleanSince: null })
})

describe('a document that the configured key does not vouch for', () => {
  test('permits nothing, and nothing older takes its place', async () => {
    const w = await world()
    const blob = await w.lineage.putBlob(policyEnvelope({ version: 9 }).fill(0x20, 5, 6))
    const digest = 'ab'.repeat(32)
    const bad = await w.recorder.record({ type: 'policy', digest, version: 9, blob })
    const folded = await fold(w)
    expect(folded.policy).toBeNull()
    expect(folded.newestPolicy).toEqual({ version: 9, digest })
    expect(folded.unvouched.map(({ index }) => index)).toEqual([bad])
  })

  test('trusts nobody, and no older trust comes back after a restart', async () => {
    const w = await world()
    const roots = (version: number, key = governance) =>
      signTrustRoots({ ...LASTING, version, authorities: [] }, key)
    await w.governance.loadTrustRoots(roots(2))
    expect((await fold(w)).newestTrustRoots).toMatchObject({ version: 2 })
    const blob = await w.lineage.putBlob(roots(9, mallory))
    await w.recorder.record({ type: 'trust-roots', digest: 'ab'.repeat(32), version: 9, blob })
    const folded = await fold(w)
    expect(folded.trustRoots).toBeNull()
    expect(() =>
      checkTrustSuccessor(folded.newestTrustRoots, openTrustRoots(roots(8), [governance.public])),
    ).toThrow('cannot follow')
  })

  test('gives the host no label, and no older one comes back', async () => {
    const w = await world()
    const labels = (version: number, host: string, key = governance) =>
      signHostLabels({ version, host, labels: ['gpu'], notAfter: 'any' }, key)
    await w.governance.loadHostLabels(labels(1, HOST))
    for (const [version, envelope] of [
      [7, labels(7, HOST, mallory)],
      [8, labels(8, OTHER_HOST)],
    ] as const) {
      const blob = await w.lineage.putBlob(envelope)
      await w.recorder.record({ type: 'host-labels', digest: 'ab'.repeat(32), version, blob })
      const folded = await fold(w)
      expect(folded.hostLabels).toBeNull()
      expect(folded.newestHostLabels?.version).toBe(version)
    }
  })

  test('goes on to forbid: a key that is taken out does not take its revocations along', async () => {
    const w = await world()
    await w.revoke(1, { kind: 'key', id: 'ab'.repeat(32) })
    const folded = await fold(w, mallory)
    expect(folded).toMatchObject({ trustRoots: null, policy: null })
    expect(folded.unvouched).toHaveLength(2)
    expect(folded.revocations.digest).toBe(w.history.revocations.digest)
    expect(folded.revocations.has('key', 'ab'.repeat(32))).toBe(true)
  })

  test('keeps the daemon from starting when it is a revocation that cannot be read', async () => {
    const w = await world()
    const blob = await w.lineage.putBlob(Buffer.from('{'))
    await w.recorder.record({ type: 'revocation', digest: 'ab'.repeat(32), epoch: 1, blob, manifest: blob })
    await expect(fold(w)).rejects.toMatchObject({ code: 'ENVELOPE_MALFORMED' })
  })
})

describe('FAILED, as the log has it,', () => {
  const reasons = [{ code: 'QUOTE_PCR_DIGEST_MISMATCH', message: 'PCR 4', at: null }]
  const fail = (w: World) =>
    w.recorder.record({ type: 'trust-transition', from: 'ATTESTED', to: 'FAILED', epoch: 2, reasons })
  const leave = (w: World) =>
    w.recorder.record({ type: 'trust-transition', from: 'FAILED', to: 'UNATTESTED', epoch: 2, reasons: [] })
  const cleared = async (w: World, envelope: Buffer) => {
    const blob = await w.lineage.putBlob(envelope)
    await w.recorder.record({ type: 'failure-cleared', digest: 'ab'.repeat(32), blob })
  }

  test('is left by nothing but a clearance of this host and this failure, signed by a configured key', async () => {
    const w = await world()
    const transition = Number(await fail(w))
    const clears = { kind: 'failure' as const, transition }
    await leave(w)
    await cleared(w, Buffer.from('no clearance'))
    await cleared(w, signClearance({ version: 1, host: HOST, clears }, mallory))
    await cleared(w, signClearance({ version: 1, host: OTHER_HOST, clears }, governance))
    await cleared(
      w,
      signClearance(
        { version: 1, host: HOST, clears: { ...clears, transition: transition - 1 } },
        governance,
      ),
    )
    expect((await fold(w)).failureIndex).toBe(BigInt(transition))
    await cleared(w, signClearance({ version: 1, host: HOST, clears }, governance))
    expect((await fold(w)).failure).toBeNull()
  })

  test('is left by the next transition where the configuration says so', async () => {
    const w = await world()
    await fail(w)
    await leave(w)
    const options = { governance: [governance.public], hostId: HOST }
    expect((await History.fold(w.lineage, { ...options, recoversByItself: true })).failure).toBeNull()
    expect((await History.fold(w.lineage, { ...options, recoversByItself: false })).failure).not.toBeNull()
  })
})

describe('the clock that the next quote is held against', () => {
  const clock = { clock: '5', resetCount: 1, restartCount: 0, safe: true }
  async function appraised(w: World, verdict: 'pass' | 'fail', change: object): Promise<void> {
    const attest = await w.lineage.putBlob(recordedHost('debian13-uki').evidence.quote.attest)
    const blob = await w.lineage.putBlob(Buffer.from('x'))
    const digest = 'ab'.repeat(32)
    await w.recorder.record({
      type: 'appraisal',
      verdict,
      evidence: {
        attest,
        signature: blob,
        eventLog: blob,
        userspaceLog: null,
        imaLog: [],
        imaLength: 0,
      },
      binding: {
        domain: 'writ/v1/cycle',
        nonce: digest,
        treeSize: 1,
        lineageRoot: digest,
        sessionKeySpkiDigest: digest,
        referenceValuesDigest: digest,
      },
      clock,
      reasons: [],
      ...change,
    })
  }

  test('is that of the newest verified quote, also of a host that failed', async () => {
    const w = await world()
    expect(await (await fold(w)).clockHistory()).toBeNull()
    await appraised(w, 'fail', {})
    expect(await (await fold(w)).clockHistory()).toMatchObject({ resetCount: expect.any(Number) })
  })

  test('is not that of a quote that proved nothing, or went back', async () => {
    const w = await world()
    await appraised(w, 'fail', { clock: null })
    await appraised(w, 'fail', { reasons: [{ code: 'CLOCK_ROLLED_BACK', message: 'back', at: null }] })
    expect(await (await fold(w)).clockHistory()).toBeNull()
  })
})
