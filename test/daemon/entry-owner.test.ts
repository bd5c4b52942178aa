import { expect, test } from 'vitest'
import { EntryOwners, ownedEntries } from '../../daemon/entry-owner.ts'
import { parseEvent } from '../../lineage/index.ts'
import { artifact } from '../authorization/scenario.ts'
import { peer, streams, workload, world } from './support/world.ts'

test('decisions, starts, kills and ends are their caller’s, all else is nobody’s', async () => {
  const w = await world()
  const who = peer({ uid: 1000 })
  const permit = await w.decider.decide(who, 'execute', artifact(), workload())
  const { executionId } = permit.input.request
  w.launcher.at.start = id => {
    w.launcher.emit('kill-sent', { executionId: id, cause: 'REVOKED', bootNs: 1n })
    queueMicrotask(() => w.launcher.end(id))
  }
  await w.executor.run(permit, who, streams(), new AbortController().signal)
  await w.decider.decide(peer({ uid: 7 }), 'execute', null, workload()).catch(() => undefined)
  w.decisions.count(9, ['CAPACITY'])
  await w.decisions.flush()
  await w.recorder.record({ type: 'kill-sent', executionId: 'ff'.repeat(16), decision: 0, cause: 'REVOKED' })

  const together = new EntryOwners(w.lineage)
  const owners: [string, number | null][] = []
  for (const { index, bytes } of await w.lineage.readEntries(0n, w.lineage.size)) {
    // Each finds it by itself: nothing is remembered.
    const owner = await new EntryOwners(w.lineage).of(index, bytes)
    owners.push([parseEvent(bytes).type, owner?.callerUid ?? null])
    expect(await together.of(index, bytes)).toEqual(owner)
  }
  expect(owners.toSorted()).toEqual(
    [
      ['trust-roots', null],
      ['policy', null],
      ['decision', 1000],
      ['execution-start', 1000],
      ['kill-sent', 1000],
      ['execution-end', 1000],
      ['decision', 7],
      ['denials-counted', 9],
      ['kill-sent', null],
    ].toSorted(),
  )
  expect(w.history.ownerOf(executionId)).toEqual({ callerUid: 1000, ancestors: [] })
})

test('entries of a type that there is none of are not read on for somebody who has gone', async () => {
  const stop = new AbortController()
  let reads = 0
  const bytes = Buffer.from('{"type":"other"}')
  const log = {
    readEntries: async (from: bigint) => {
      if (++reads === 3) stop.abort()
      return [{ index: from, bytes }]
    },
  }
  const entries = ownedEntries(
    log,
    { of: async () => null },
    { from: 0n, to: 1000n, types: new Set(['decision']), signal: stop.signal },
  )
  expect(await Array.fromAsync(entries)).toEqual([])
  expect(reads).toBe(3)
})
