import { describe, expect, test } from 'vitest'
import { DecisionLinks } from '../../daemon/history/decision-links.ts'
import { History } from '../../daemon/history/history.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { artifact, EXECUTION, governance, HOST } from '../authorization/scenario.ts'
import { ofType, peer, workload, world } from './support/world.ts'

const event = (type: string, fields: object) => ({ type, ...fields }) as unknown as LineageEvent

describe('links of a decision', () => {
  test('name the entries that put its policy and its trust roots in force, and the appraisal', async () => {
    const w = await world()
    const sent = artifact()
    await w.decider.decide(peer(), 'execute', sent, workload())
    await w.decider.decide(peer(), 'execute', sent, workload()).catch(() => undefined)
    const events = await w.events()
    const [permit, denial] = ofType(events, 'decision')
    const links = {
      policy: events.findIndex(({ type }) => type === 'policy'),
      trustRoots: events.findIndex(({ type }) => type === 'trust-roots'),
      appraisal: 0,
      parent: null,
    }
    expect(links.policy).toBeGreaterThanOrEqual(0)
    expect(links.trustRoots).toBeGreaterThanOrEqual(0)
    expect([permit?.links, denial?.links]).toEqual([links, links])
    // A fold of the log comes to the same.
    const again = await History.fold(w.lineage, {
      governance: [governance.public],
      hostId: HOST,
      recoversByItself: false,
    })
    expect(again.links.state).toEqual(w.history.links.state)
  })

  test('of a child name the START of its parent, until that has ended', () => {
    const links = new DecisionLinks()
    const none = { policy: null, trustRoots: null, appraisal: null }
    expect(links.of(none, EXECUTION).parent).toBeNull()
    links.apply(7, event('execution-start', { executionId: EXECUTION }))
    expect(links.of(none, EXECUTION).parent).toBe(7)
    expect(links.of(none, null).parent).toBeNull()
    expect(new DecisionLinks(links.state).of(none, EXECUTION).parent).toBe(7)
    links.apply(8, event('execution-end', { executionId: EXECUTION }))
    expect(links.of(none, EXECUTION).parent).toBeNull()
  })

  test('go to what was in force when the decision looked, not to what came since', () => {
    const links = new DecisionLinks()
    const grounds = { policy: 'a', trustRoots: null, appraisal: '5' }
    links.apply(1, event('policy', { blob: 'a' }))
    links.apply(2, event('policy', { blob: 'b' }))
    expect(links.of(grounds, null)).toEqual({ policy: 1, trustRoots: null, appraisal: 5, parent: null })
    // What was put back has its documents loaded anew, the same ones perhaps.
    links.apply(3, event('rollback-accepted', {}))
    expect(links.of(grounds, null).policy).toBeNull()
    links.apply(4, event('policy', { blob: 'a' }))
    expect(links.of(grounds, null).policy).toBe(4)
  })

  test('are kept of a few documents only', () => {
    const links = new DecisionLinks()
    for (let i = 0; i < 1000; i++) links.apply(i, event('policy', { blob: `policy ${i}` }))
    expect(links.state.policies.length).toBeLessThanOrEqual(16)
    expect(links.of({ policy: 'policy 999', trustRoots: null, appraisal: null }, null).policy).toBe(999)
  })
})
