import { EventEmitter } from 'node:events'
import { beforeEach, describe, expect, test } from 'vitest'
import { Kept } from '../../../daemon/hand-over/kept.ts'
import { takeOver } from '../../../daemon/hand-over/take-over.ts'
import { History } from '../../../daemon/history/history.ts'
import type { LaunchEnded, LauncherClient } from '../../../daemon/launcher/client.ts'
import { orderDigest } from '../../../daemon/launcher/order-digest.ts'
import type { ListedExecution } from '../../../daemon/launcher/types.ts'
import { endLeftovers } from '../../../daemon/leftovers.ts'
import { governance, HOST } from '../../authorization/scenario.ts'
import { running } from '../support/executions.ts'
import { ofType, silent, type World, world } from '../support/world.ts'

const CHILDREN = { started: 3, lastMinute: 2 }
const ENDED = {
  ...{ cause: 'LEASE', exitCode: null, signal: 9, bootNs: 7n, confirmedDead: true },
  rusage: { userUs: 1, systemUs: 2, maxRssKib: 3 },
} satisfies Omit<LaunchEnded, 'executionId'>

/** The launcher as the next run of the daemon finds it. */
class FoundLauncher extends EventEmitter {
  readonly killed: string[] = []
  readonly listed: Partial<ListedExecution>[] = []
  readonly earlierEnds: LaunchEnded[] = []
  list = async () => this.listed as ListedExecution[]
  kill = (executionId: string, cause: string) => void this.killed.push(`${executionId} ${cause}`)
  knows = () => false
  takeLastOutput = () => null
}

describe('what a run of the daemon finds of the run before', () => {
  let w: World
  let launcher: FoundLauncher
  let handedOver: string
  let started: string

  beforeEach(async () => {
    w = await world()
    launcher = new FoundLauncher()
    handedOver = (await running(w)).id
    started = (await running(w)).id
    await w.recorder.record({
      ...{ type: 'hand-over', executionId: handedOver, over: 'restart', attach: 'ab'.repeat(32) },
      ...{ decision: Number(w.registry.get(handedOver)?.decisionIndex), children: CHILDREN },
      ...{ stdinBytes: 3, outputBytes: 5, inputEnded: false },
    })
  })

  /** Listed as what its permit orders. */
  const lists = (executionId: string, change: Partial<ListedExecution> = {}) => {
    const order = w.launcher.orders.find(it => it.executionId === executionId) ?? w.launcher.orders[0]
    const terms = w.registry.get(executionId)?.terms ?? w.registry.get(handedOver)?.terms
    if (order === undefined || terms === undefined) throw new Error('it was ordered')
    const kindOf = (role: string) => (role === 'tree' ? 'tree' : 'file')
    const subjects = [
      { path: terms.program.path, kind: 'file' as const },
      ...terms.files.map(({ path, role }) => ({ path, kind: kindOf(role) }) as const),
    ]
    launcher.listed.push({
      ...{ executionId, state: 'KEPT', pid: 77, order: orderDigest(subjects, order) },
      ...change,
    })
  }
  const history = () =>
    History.fold(w.lineage, { governance: [governance.public], hostId: HOST, recoversByItself: false })
  const find = async (change: (found: History) => void = () => undefined) => {
    const found = await history()
    change(found)
    const as = launcher as unknown as LauncherClient
    return { kept: await Kept.find({ history: found, launcher: as, lineage: w.lineage, log: silent }), found }
  }
  const ids = ({ executions }: Kept) => executions.map(({ executionId }) => executionId)

  test('goes on if launcher and log both say so, and is as it was permitted', async () => {
    lists(handedOver)
    const { kept } = await find()
    expect([ids(kept), launcher.killed]).toEqual([[handedOver], []])
  })

  test('is killed if the log does not know it, or not that it was handed over', async () => {
    const unknown = 'cd'.repeat(16)
    lists(unknown)
    lists(started)
    const { kept } = await find()
    expect([ids(kept), launcher.killed]).toEqual([[], [`${unknown} DAEMON`, `${started} DAEMON`]])
  })

  test('is killed if its process or its order is another than was permitted', async () => {
    lists(handedOver, { pid: 78 })
    expect(ids((await find()).kept)).toEqual([])
    launcher.listed.length = 0
    lists(handedOver, { order: 'ab'.repeat(32) })
    expect(ids((await find()).kept)).toEqual([])
    expect(launcher.killed).toEqual(Array(2).fill(`${handedOver} NOT_AS_PERMITTED`))
  })

  test('is killed on a host that has failed', async () => {
    lists(handedOver)
    const { kept } = await find(found => {
      found.failure = [{ code: 'PCR_MISMATCH', message: '' }] as never
    })
    expect([ids(kept), launcher.killed]).toEqual([[], [`${handedOver} DAEMON`]])
  })

  test('has its end in the log if the launcher has it no more: as it was seen, or as it must have been', async () => {
    launcher.earlierEnds.push({ executionId: handedOver, ...ENDED })
    lists(handedOver, { state: 'ENDING' })
    const { kept, found } = await find()
    expect([ids(kept), launcher.killed]).toEqual([[], []])
    const as = launcher as unknown as LauncherClient
    const ended = await endLeftovers(found, as, kept, w.recorder, silent)
    expect(ended.map(({ executionId, handOver }) => [executionId, handOver !== null])).toEqual([
      [handedOver, true],
      [started, false],
    ])
    expect(ofType(await w.events(), 'execution-end')).toMatchObject([
      { executionId: handedOver, cause: 'LEASE', signal: 9, confirmedDead: true },
      { executionId: started, cause: 'SUPERSEDED', signal: null, confirmedDead: true },
    ])
  })

  test('has its end in the log if a launcher that is new has neither it nor its end', async () => {
    const { kept, found } = await find()
    const as = launcher as unknown as LauncherClient
    await endLeftovers(found, as, kept, w.recorder, silent)
    expect(ofType(await w.events(), 'execution-end')).toMatchObject([
      { executionId: handedOver, cause: 'SUPERSEDED', confirmedDead: true },
      { executionId: started, cause: 'SUPERSEDED', confirmedDead: true },
    ])
  })

  test('has no end while it goes on, and its children go on to count, those that live and those that did', async () => {
    lists(handedOver)
    const { kept, found } = await find()
    const as = launcher as unknown as LauncherClient
    const [parent] = kept.executions
    if (parent === undefined) throw new Error('it is kept')
    const child = 'ef'.repeat(16)
    const caller = { ...parent.caller, parentExecution: handedOver }
    const { input } = parent.permit
    const permit = {
      ...parent.permit,
      input: { ...input, request: { ...input.request, executionId: child } },
    }
    const below = { ...parent, executionId: child, permit, caller, kept: { ...parent.kept, children: null } }
    const ended = await endLeftovers(found, as, kept, w.recorder, silent)
    expect(ended.map(({ executionId }) => executionId)).toEqual([started])
    const next = await world()
    const { executor, registry, gate, wallMs, lineage } = next
    // The child of a log is judged where that is; here it only has to be the parent's.
    const family = { executions: [parent, below], takeEnds: () => [], has: () => true, ends: new Map() }
    await takeOver(family as unknown as Kept, [], { executor, launcher: as, registry, gate, wallMs, lineage })
    expect(registry.families.countsOf(handedOver, parent.kept.bootNs)).toEqual({
      ...{ childrenStarted: 3, childrenRunning: 1, childrenLastMinute: 2 },
    })
    expect([registry.get(handedOver)?.state, registry.get(child)?.state]).toEqual(['KEPT', 'KEPT'])
    expect(registry.families.below(handedOver)).toEqual([child])
  })
})
