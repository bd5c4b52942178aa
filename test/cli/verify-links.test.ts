import { describe, expect, test } from 'vitest'
import { checkLinks } from '../../cli/verify/links.ts'
import { inlineBlob, type LineageEvent } from '../../lineage/index.ts'
import { artifact, EXECUTION } from '../authorization/scenario.ts'
import { ofType, peer, workload, world } from '../daemon/support/world.ts'

type Decision = LineageEvent & { type: 'decision' }

/** An appraisal, trust roots, a policy, the policy once more, a START, and a permit that rests on them. */
async function log(change: Partial<Decision['links']> = {}, caller: Partial<Decision['caller']> = {}) {
  const w = await world()
  await w.decider.decide(peer(), 'execute', artifact(), workload())
  const events = await w.events()
  const [permit] = ofType(events, 'decision')
  const [policy] = ofType(events, 'policy')
  const [roots] = ofType(events, 'trust-roots')
  if (permit === undefined || policy === undefined || roots === undefined) return expect.fail('no decision')
  const { time, bootNs } = permit
  const start: LineageEvent = {
    ...{ v: 1, type: 'execution-start', time, bootNs, executionId: EXECUTION, decision: 0, subjects: [] },
    ...{ pid: 7, cgroup: '/writ/x', epoch: 1, parent: null },
  }
  const end: LineageEvent = {
    ...{ v: 1, type: 'execution-end', time, bootNs, executionId: EXECUTION, decision: 0, cause: 'EXITED' },
    ...{ exitCode: 0, signal: null, rusage: {}, confirmedDead: true, streams: null },
  }
  const links = { appraisal: 0, trustRoots: 1, policy: 3, parent: null, ...change }
  const decision: Decision = { ...permit, links, caller: { ...permit.caller, ...caller } }
  const appraisal = { type: 'appraisal', time, bootNs } as LineageEvent
  const check = (...all: LineageEvent[]) =>
    checkLinks(
      all.map((event, index) => ({ index, event })),
      async digest => inlineBlob(decision, digest) ?? expect.fail('no such blob'),
    )
  return { check, appraisal, roots, policy, start, end, decision }
}

describe('links of a decision', () => {
  test('lead to the newest entry of each document that its record names, and to the appraisal', async () => {
    const { check, appraisal, roots, policy, decision } = await log()
    expect(await check(appraisal, roots, policy, policy, decision)).toEqual({
      detail: "3 links, each to the entry that the decision's record names",
    })
  })

  test.each([
    [{ policy: 2 }, 'its link to the policy is 2'],
    [{ policy: null }, 'its link to the policy is null'],
    [{ trustRoots: 0 }, 'its link to the trust roots is 0'],
    [{ appraisal: null }, 'its link to the appraisal is null'],
    [{ parent: 0 }, "its link to its parent's START is 0"],
  ])('may not lead elsewhere: %j', async (change, message) => {
    const { check, appraisal, roots, policy, decision } = await log(change)
    await expect(check(appraisal, roots, policy, policy, decision)).rejects.toThrow(message)
  })

  test('to an appraisal lead to one', async () => {
    const { check, roots, policy, decision } = await log()
    await expect(check(policy, roots, policy, policy, decision)).rejects.toThrow('leads to none')
  })

  test('of a child lead to its parent’s START; only of one that has ended is there none', async () => {
    const child = { parent: EXECUTION }
    const good = await log({ parent: 4 }, child)
    const { appraisal, roots, policy, start, end } = good
    const before = [appraisal, roots, policy, policy] as const
    expect(await good.check(...before, start, good.decision)).toHaveProperty(
      'detail',
      expect.stringMatching(/^4/),
    )
    expect(await good.check(...before, start, end, good.decision)).toHaveProperty('detail')
    const none = await log({}, child)
    expect(await none.check(...before, start, end, none.decision)).toHaveProperty('detail')
    await expect(none.check(...before, start, none.decision)).rejects.toThrow("its parent's START is null")
  })

  test('do not go back beyond files that were put back', async () => {
    const { check, appraisal, roots, policy, decision } = await log()
    const restored = { ...appraisal, type: 'rollback-accepted' } as LineageEvent
    await expect(check(appraisal, roots, policy, policy, restored, decision)).rejects.toThrow(
      'its link to the policy is 3, where its record names null',
    )
    const loaded = await log({ policy: 5 })
    await expect(
      loaded.check(appraisal, roots, policy, policy, restored, loaded.policy, loaded.decision),
    ).rejects.toThrow('its link to the trust roots is 1, where its record names null')
  })
})
