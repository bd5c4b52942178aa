import { describe, expect, test } from 'vitest'
import type { Authorization } from '../../authorization/index.ts'
import { DeniedError } from '../../daemon/core.ts'
import { Families } from '../../daemon/families.ts'
import { artifact } from '../authorization/scenario.ts'
import { faultyIo } from '../lineage/support/faulty-io.ts'
import { peer, type World, workload, world } from './support/world.ts'

const SECOND = 1_000_000_000n
type Children = Exclude<Authorization['scope']['children'], 'none'>
const ANY: Children = { max: 'any', atOnce: 'any', perMinute: 'any', depth: 2, programs: 'any' }

const children = (families: Families, parent: string, nowNs: bigint) => {
  const { childrenStarted, childrenRunning, childrenLastMinute } = families.countsOf(parent, nowNs)
  return [childrenStarted, childrenRunning, childrenLastMinute]
}

describe('families', () => {
  test('count starts for life, the living, and those of the last minute', () => {
    const families = new Families()
    expect(children(families, 'p', 0n)).toEqual([0, 0, 0])
    families.begin('p', 'a', 0n)
    families.begin('p', 'b', 30n * SECOND)
    expect(children(families, 'p', 30n * SECOND)).toEqual([2, 2, 2])
    families.end('a')
    expect(children(families, 'p', 59n * SECOND)).toEqual([2, 1, 2])
    expect(children(families, 'p', 60n * SECOND)).toEqual([2, 1, 1])
    expect(children(families, 'p', 90n * SECOND)).toEqual([2, 1, 0])
    expect(children(families, 'q', 90n * SECOND)).toEqual([0, 0, 0])
  })

  test('forget a permit that was none', () => {
    const families = new Families()
    families.begin('p', 'a', 0n)
    families.begin('p', 'b', 1n)
    families.withdraw('a')
    families.withdraw('never')
    expect(children(families, 'p', 2n)).toEqual([1, 1, 1])
    expect(families.below('p')).toEqual(['b'])
  })

  test('know all below one, each after its parent, and nothing of what has ended', () => {
    const families = new Families()
    for (const [parent, child] of ['ab', 'ac', 'bd', 'de', 'xy'].map(pair => pair.split('')))
      families.begin(parent ?? '', child ?? '', 0n)
    expect(families.below('a')).toEqual(['b', 'c', 'd', 'e'])
    families.end('d')
    expect(families.below('a')).toEqual(['b', 'c'])
    families.end('a')
    expect(families.below('a')).toEqual([])
  })
})

describe('a parent of whom', () => {
  /** A parent that runs, under these rules for its children. */
  async function parentOf(rules: Partial<Children>, w: World) {
    const sent = artifact(it => {
      it.scope.children = { ...ANY, ...rules }
      it.parent.execution = 'any'
      it.validity.maxUses = 'any'
    })
    const it = await w.decider.decide(peer(), 'execute', sent, workload({ children: true }))
    const { executionId } = it.input.request
    w.registry.add({
      ...{ executionId, callerUid: 1000, parentExecutionId: null, artifactDigest: '', issuer: '' },
      ...{ signed: it.decision.signed, epoch: 1n, decisionIndex: it.index, permittedTime: '' },
      ...{ decisionRecord: '0'.repeat(64), origin: null },
      terms: it.decision.terms ?? expect.fail(),
    })
    w.registry.update(executionId, { state: 'RUNNING' })
    const inside = peer({ parentExecution: executionId })
    const start = () => w.decider.decide(inside, 'execute', sent, workload())
    return { executionId, inside, start }
  }
  const refused = (results: PromiseSettledResult<unknown>[]) =>
    results.flatMap(result =>
      result.status === 'rejected' && result.reason instanceof DeniedError
        ? result.reason.reasons.map(({ at }) => at)
        : [],
    )

  test.each(['max', 'atOnce', 'perMinute'] as const)(
    '50 ask at once, with %s: 3, gets three',
    async limit => {
      const w = await world()
      const { start } = await parentOf({ [limit]: 3 }, w)
      const results = await Promise.allSettled(Array.from({ length: 50 }, start))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
      expect(refused(results)).toEqual(Array(47).fill(`parent.children.${limit}`))
    },
  )

  test('a permit was lost has that child still', async () => {
    const io = faultyIo()
    const w = await world({ io })
    const { executionId, start } = await parentOf({ max: 1 }, w)
    w.stage.during = () => io.fail('fdatasync', 1, 'did not persist')
    await expect(start()).rejects.toMatchObject({ reasons: [{ code: 'LINEAGE_UNAVAILABLE' }] })
    expect(children(w.registry.families, executionId, w.bootNs())).toEqual([0, 0, 0])
  })

  test('one child ended may have another, within the minute or after it', async () => {
    const w = await world()
    const { start } = await parentOf({ atOnce: 1, perMinute: 2 }, w)
    const first = await start()
    await expect(start()).rejects.toMatchObject({ reasons: [{ at: 'parent.children.atOnce' }] })
    w.registry.families.end(first.input.request.executionId)
    const second = await start()
    w.registry.families.end(second.input.request.executionId)
    await expect(start()).rejects.toMatchObject({ reasons: [{ at: 'parent.children.perMinute' }] })
    w.time.bootNs += 60n * SECOND
    w.time.wallMs += 60_000
    w.attest()
    await start()
  })

  test('the children are looked at again loses none for those that came later', async () => {
    const w = await world()
    const { start, inside } = await parentOf({ max: 2, atOnce: 2, perMinute: 2 }, w)
    const [first, second] = [await start(), await start()]
    for (const permit of [first, second])
      expect(w.decider.reconsider(permit, inside).decision.outcome).toBe('permit')
  })
})
