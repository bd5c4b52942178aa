import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ClockWatch } from '../../authorization/index.ts'
import { History } from '../../daemon/history/history.ts'
import { newestSnapshot } from '../../daemon/history/resume.ts'
import { type Lineage, parseEvent, SnapshotCheck, snapshotPieces, Tally } from '../../lineage/index.ts'
import { governance, HOST, mallory } from '../authorization/scenario.ts'
import { openLog, temporaryDirectory, testSigner } from '../lineage/support/log.ts'
import { MemoryLog } from './support/memory-log.ts'
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
    latestCheckpoint: () => lineage.latestCheckpoint(),
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
        fc.nat(120),
        async (happenings, signed) => {
          const log = new MemoryLog()
          const writer = new Writer(log.lineage)
          await writer.start(0)
          for (const happens of happenings) await happens(writer)
          if ((await newestSnapshot(log)) !== null) resumed++
          for (const [i, configuration] of CONFIGURATIONS.entries()) {
            log.signed = i % 4 < 2 ? null : signed
            const all = await History.fold(withoutSnapshots(log.lineage), configuration)
            expect(stateOf(await History.fold(log.lineage, configuration))).toEqual(stateOf(all))
          }
          expect(await verdict(log.lineage)).toMatchObject({ status: 'VERIFIED' })
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    )
    expect(resumed).toBeGreaterThan(0)
  })

  test('reads it from the files', async () => {
    const lineage = await openLog(temporaryDirectory(), { signer: testSigner() })
    try {
      const w = new Writer(lineage)
      await w.start(0)
      await w.permit(1, 1, null, 9000)
      await w.transition('ATTESTED', 'FAILED')
      await w.snapshots.make()
      expect(await newestSnapshot(lineage)).toBeNull()
      await lineage.checkpoint()
      expect(await newestSnapshot(lineage)).toMatchObject({ size: 3 })
      const all = await History.fold(withoutSnapshots(lineage), CONFIGURATION)
      expect(stateOf(await History.fold(lineage, CONFIGURATION))).toEqual(stateOf(all))
    } finally {
      await lineage.close()
    }
  })
})

async function verdict(lineage: Lineage) {
  const check = new SnapshotCheck(state => new ClockWatch(state))
  for (const { index, bytes } of await lineage.readEntries(0n, lineage.size))
    check.take(parseEvent(bytes), Number(index))
  return check.result()
}

const CONFIGURATION = { governance: [governance.public], hostId: HOST, recoversByItself: false }

/** A log of a failed host, with as many snapshots, each of one permit more. */
async function failedHost(snapshots: number) {
  const log = new MemoryLog()
  const w = new Writer(log.lineage)
  await w.start(0)
  await w.revoke('program')
  await w.transition('ATTESTED', 'FAILED')
  const places: bigint[] = []
  for (let n = 0; n < snapshots; n++) {
    await w.permit(n, n, null, 9000)
    await w.snapshots.make()
    places.push(log.hint ?? -1n)
  }
  const event = async (place: bigint) => {
    const found = parseEvent(await log.entry(place))
    if (found.type !== 'snapshot') throw new Error('no snapshot')
    return found
  }
  const all = stateOf(await History.fold(withoutSnapshots(log.lineage), CONFIGURATION))
  /** A start knows all of it, wherever it begins. */
  const expectAll = async () => expect(stateOf(await History.fold(log.lineage, CONFIGURATION))).toEqual(all)
  return { log, w, places, event, expectAll }
}

describe('where a start begins to read', () => {
  test('is at a snapshot, and only where there is one', async () => {
    const { log, places, expectAll } = await failedHost(2)
    const [, newest = -1n] = places
    for (let hint = 0n; hint < log.size + 3n; hint++) {
      log.hint = hint
      const found = await newestSnapshot(log)
      expect([hint, found !== null]).toEqual([hint, places.includes(hint)])
      await expectAll()
    }
    log.hint = newest
    expect((await newestSnapshot(log))?.size).toBe(Number(newest))
  })

  test('is at the one before where the newest cannot be read, or no checkpoint stands for it', async () => {
    const { log, places, event, expectAll } = await failedHost(3)
    const [first = -1n, second = -1n, third = -1n] = places
    log.signed = Number(third)
    expect((await newestSnapshot(log))?.size).toBe(Number(second))
    await expectAll()
    log.signed = Number(second)
    expect((await newestSnapshot(log))?.size).toBe(Number(first))
    await expectAll()
    log.signed = 0
    expect(await newestSnapshot(log)).toBeNull()
    await expectAll()
    log.signed = null
    log.blobs.delete((await event(third)).digest)
    expect((await newestSnapshot(log))?.size).toBe(Number(second))
    log.blobs.set((await event(second)).digest, Buffer.from('writ/snapshot/v1\n'))
    expect((await newestSnapshot(log))?.size).toBe(Number(first))
    await expectAll()
  })

  test('is at the first entry when the newest four cannot be read', async () => {
    const { log, places, event, expectAll } = await failedHost(5)
    for (const place of places.slice(1)) log.blobs.delete((await event(place)).digest)
    expect(await newestSnapshot(log)).toBeNull()
    await expectAll()
  })

  test('is never at one that says another size than it has, or one of later entries', async () => {
    const { log, places, event, expectAll } = await failedHost(1)
    const [honest = -1n] = places
    const copy = { ...(await event(honest)), previous: null }
    for (const size of [0, Number(honest) - 1, Number(honest) + 1, 1000]) {
      const { index } = await log.append({ ...copy, size })
      log.hint = index
      expect(await newestSnapshot(log)).toBeNull()
    }
    // The snapshot of a longer log in a shorter one.
    const shorter = new MemoryLog()
    for (const [digest, bytes] of log.blobs) shorter.blobs.set(digest, bytes)
    shorter.hint = (await shorter.append(copy)).index
    expect(await newestSnapshot(shorter)).toBeNull()
    // One that says that it comes after itself leads nowhere.
    const { index } = await log.append({ ...copy, size: 0, previous: Number(log.size) })
    log.hint = index
    expect(await newestSnapshot(log)).toBeNull()
    await expectAll()
  })
})

describe('a snapshot that is forged', () => {
  /** An entry that somebody who can write the files appends: the host never failed, and nothing was revoked. */
  async function forge({ log, w }: Awaited<ReturnType<typeof failedHost>>) {
    const tally = new Tally(state => new ClockWatch(state))
    const start = parseEvent(await log.entry(0n))
    while (BigInt(tally.size) < log.size) tally.add(start)
    const digest = await log.putBlob(Buffer.concat([...snapshotPieces(tally)]))
    const { size } = tally
    await log.noteSnapshot(await w.write({ type: 'snapshot', size, digest, previous: null, horizon: null }))
  }

  test.each([0, 1])(
    'ends the start while no checkpoint stands for it, after %d honest ones',
    async honest => {
      const host = await failedHost(honest)
      host.log.signed = Number(host.log.size)
      await forge(host)
      await expect(History.fold(host.log.lineage, CONFIGURATION)).rejects.toMatchObject({
        code: 'LINEAGE_BROKEN',
      })
      expect((await verdict(host.log.lineage)).status).toBe('FAILED')
    },
  )

  test('ends the start also when its place is not told, and entries follow', async () => {
    const host = await failedHost(1)
    host.log.signed = Number(host.log.size)
    const { hint } = host.log
    await forge(host)
    host.log.hint = hint
    await host.w.permit(4, 4, null, 9000)
    await expect(History.fold(host.log.lineage, CONFIGURATION)).rejects.toMatchObject({
      code: 'LINEAGE_BROKEN',
    })
  })

  test.each([
    ['another one before', { previous: 0 }],
    ['a horizon', { horizon: '2026-11-25T00:00:00.000Z' }],
    ['other entries', { size: 1 }],
  ])('is seen by %s, too', async (_, change) => {
    const { log, places, event } = await failedHost(2)
    const [, newest = -1n] = places
    log.signed = Number(log.size)
    await log.append({ ...(await event(newest)), ...change })
    await expect(History.fold(log.lineage, CONFIGURATION)).rejects.toMatchObject({ code: 'LINEAGE_BROKEN' })
    expect((await verdict(log.lineage)).status).toBe('FAILED')
  })
})
