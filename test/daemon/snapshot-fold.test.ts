import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ClockWatch } from '../../authorization/index.ts'
import { History } from '../../daemon/history/history.ts'
import { newestSnapshot } from '../../daemon/history/resume.ts'
import { type Lineage, parseEvent, SnapshotCheck } from '../../lineage/index.ts'
import { governance, HOST, mallory } from '../authorization/scenario.ts'
import { openLog, temporaryDirectory } from '../lineage/support/log.ts'
import { HEX, happening, idOf, payloadOf, Writer } from './support/random-log.ts'

const RUNS = Number(process.env.WRIT_SNAPSHOT_RUNS ?? 4)

/** Everything that the rest of the daemon takes from the fold. */
function stateOf(history: History) {
  const {
    trustRoots,
    policy,
    hostLabels,
    referenceValues,
    newestPolicy,
    newestTrustRoots,
    newestHostLabels,
  } = history
  return {
    ...{ newestPolicy, newestTrustRoots, newestHostLabels },
    documents: [trustRoots, policy, hostLabels, referenceValues].map(it => it?.digest ?? null),
    links: history.links.of(
      {
        policy: policy?.envelopeDigest ?? null,
        trustRoots: trustRoots?.envelopeDigest ?? null,
        appraisal: null,
      } as Parameters<typeof history.links.of>[0],
      null,
    ),
    parents: Array.from(
      { length: 6 },
      (_, n) =>
        history.links.of(
          { policy: null, trustRoots: null, appraisal: null } as Parameters<typeof history.links.of>[0],
          idOf(n),
        ).parent,
    ),
    known: [...history.knownReferenceValues],
    revocations: [history.revocations.digest, history.revocations.list()],
    failure: [history.failure, history.failureIndex],
    clock: [history.clock.state, history.clockFault],
    unclean: history.uncleanTail,
    key: history.logKeySpki,
    uses: Array.from({ length: 6 }, (_, n) =>
      ['2026-11-21T03:00:00.000Z', '2026-11-22T08:00:00.000Z', '2090-01-01T00:00:00.000Z'].flatMap(notAfter =>
        [payloadOf(n), HEX].map(payload =>
          history.uses.view({ payload, issuer: 'ops', id: `job-${n}`, maxUses: 1 }, notAfter),
        ),
      ),
    ),
    kept: history.uses.size,
    governed: [...history.governed],
    open: history.openExecutions,
    owners: Array.from({ length: 6 }, (_, n) => history.ownerOf(idOf(n))),
    unvouched: history.unvouched,
  }
}

/** The same log for somebody who knows of no snapshot. */
function withoutSnapshots(lineage: Lineage): Lineage {
  return {
    get size() {
      return lineage.size
    },
    readEntries: (from: bigint, to: bigint) => lineage.readEntries(from, to),
    entry: (index: bigint) => lineage.entry(index),
    getBlob: (digest: string) => lineage.getBlob(digest),
    snapshotHint: () => null,
  } as unknown as Lineage
}

const CONFIGURATIONS = [[governance], [mallory], [governance, mallory], []].flatMap(keys =>
  [true, false].map(recoversByItself => ({
    governance: keys.map(key => key.public),
    hostId: HOST,
    recoversByItself,
  })),
)

describe('a start from a snapshot', () => {
  test('knows what a start that reads every entry knows, whatever the log, the keys and the configuration', async () => {
    let resumed = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(happening, { minLength: 30, maxLength: 120, size: 'max' }),
        async happenings => {
          const lineage = await openLog(temporaryDirectory())
          try {
            const writer = new Writer(lineage)
            await writer.start(0)
            for (const happens of happenings) await happens(writer)
            if ((await newestSnapshot(lineage)) !== null) resumed++
            for (const configuration of CONFIGURATIONS) {
              const all = await History.fold(withoutSnapshots(lineage), configuration)
              expect(stateOf(await History.fold(lineage, configuration))).toEqual(stateOf(all))
            }
            expect(await verdict(lineage)).toMatchObject({ status: 'VERIFIED' })
          } finally {
            await lineage.close()
          }
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    )
    expect(resumed).toBeGreaterThan(0)
  })
})

async function verdict(lineage: Lineage) {
  const check = new SnapshotCheck(state => new ClockWatch(state))
  for (const { index, bytes } of await lineage.readEntries(0n, lineage.size))
    check.take(parseEvent(bytes), Number(index))
  return check.result()
}

describe('a snapshot that is forged', () => {
  const configuration = { governance: [governance.public], hostId: HOST, recoversByItself: false }

  test('changes nothing: neither a hint, nor other bytes in the blob, nor an entry copied from elsewhere', async () => {
    const lineage = await openLog(temporaryDirectory())
    try {
      const w = new Writer(lineage)
      await w.start(0)
      await w.permit(1, 1, null, 9000)
      await w.transition('ATTESTED', 'FAILED')
      await w.snapshots.make()
      const honest = lineage.snapshotHint() ?? -1n
      const all = stateOf(await History.fold(withoutSnapshots(lineage), configuration))
      for (const hint of [0n, 1n, 2n, honest, lineage.size, lineage.size + 7n]) {
        await lineage.noteSnapshot(hint)
        expect(stateOf(await History.fold(lineage, configuration))).toEqual(all)
      }
      await lineage.noteSnapshot(honest)
      const event = parseEvent(await lineage.entry(honest))
      if (event.type !== 'snapshot') throw new Error('no snapshot')
      const other = {
        ...{ lineage, size: lineage.size, snapshotHint: () => honest },
        entry: (index: bigint) => lineage.entry(index),
        readEntries: (from: bigint, to: bigint) => lineage.readEntries(from, to),
        getBlob: async (digest: string) =>
          digest === event.digest ? Buffer.from('writ/snapshot/v1\n') : lineage.getBlob(digest),
      } as unknown as Lineage
      expect(await newestSnapshot(other)).toBeNull()
      expect(stateOf(await History.fold(other, configuration))).toEqual(all)

      // The same snapshot, said to be of more entries than it adds up.
      const copy = await lineage.append({ ...event, size: Number(honest) + 1 })
      await lineage.noteSnapshot(copy.index)
      expect((await newestSnapshot(lineage))?.size).not.toBe(Number(honest) + 1)
      expect((await verdict(lineage)).status).toBe('FAILED')
    } finally {
      await lineage.close()
    }
  })
})
