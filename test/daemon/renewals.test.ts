import { describe, expect, test } from 'vitest'
import type { Authorization } from '../../authorization/index.ts'
import { History } from '../../daemon/history/history.ts'
import type { LauncherClient } from '../../daemon/launcher/client.ts'
import { LauncherError } from '../../daemon/launcher/error.ts'
import { Renewals } from '../../daemon/renewals.ts'
import {
  artifact,
  governance,
  HOST,
  PERMIT_ALL,
  PROGRAM_DIGEST,
  policyEnvelope,
} from '../authorization/scenario.ts'
import { ofType, peer, silent, streams, type World, workload, world } from './support/world.ts'

const frozen = (change: (it: Authorization) => void = () => {}) =>
  artifact(it => {
    it.onLapse = { freeze: { grace: 60 } }
    it.policy.digest = 'any'
    change(it)
  })

/** A world whose lapses go to the executor, and one execution that runs in it. */
async function running(sent = frozen(), parent: string | null = null, at?: World) {
  const w = at ?? (await world())
  const { launcher, registry, decider, executor, recorder, gate } = w
  const renewals = new Renewals({
    ...{ registry, decider, executor, recorder, gate, log: silent },
    launcher: launcher as unknown as LauncherClient,
  })
  gate.on('transition', ({ to, epoch }) => {
    if (to !== 'ATTESTED') executor.lapse(epoch - 1n, to !== 'FAILED')
  })
  const who = peer({ parentExecution: parent })
  const permit = await decider.decide(who, 'execute', sent, workload())
  const started = Promise.withResolvers<void>()
  const done = executor.run(
    permit,
    who,
    streams({ started: async () => started.resolve() }),
    new AbortController().signal,
  )
  await Promise.race([started.promise, done])
  const id = permit.input.request.executionId
  const state = () => registry.get(id)?.state
  const hold = () => {
    gate.close('STALE', [])
    launcher.emit('held', { executionId: id, cause: 'LAPSE', bootNs: 1n })
  }
  const tries = async () => {
    w.attest()
    await renewals.settled()
  }
  const types = async () =>
    (await w.events())
      .filter(event => 'executionId' in event && event.executionId === id)
      .map(({ type }) => type)
  return { w, id, done, renewals, state, hold, tries, types, steps: launcher.steps }
}

/** Both clocks go on until then. */
function until({ time }: World, then: string): void {
  const ms = Date.parse(then) - time.wallMs
  time.wallMs += ms
  time.bootNs += BigInt(ms) * 1_000_000n
}

describe('what a lapse has frozen', () => {
  test('goes on after a decision that is durable, in the new epoch, with the use that it has', async () => {
    const { w, id, done, state, hold, tries, types, steps } = await running()
    hold()
    expect(steps.at(-1)).toBe('lapse 1, hold')
    expect(state()).toBe('FROZEN')
    w.launcher.at.thaw = async () => {
      const [renewal, thaw] = (await w.events()).slice(-2)
      expect(renewal).toMatchObject({ type: 'renewal', outcome: 'permit', executionId: id })
      expect(thaw).toMatchObject({ type: 'thaw', executionId: id, epoch: 2 })
      expect((await w.events())[thaw?.type === 'thaw' ? thaw.renewal : -1]).toEqual(renewal)
    }
    await tries()
    expect(steps.at(-1)).toBe('thaw 2')
    expect(state()).toBe('RUNNING')
    expect(w.registry.get(id)?.epoch).toBe(2n)
    expect(await types()).toEqual(['decision', 'execution-start', 'freeze', 'renewal', 'thaw'])
    // Its use was consumed once.
    const again = w.decider.decide(peer(), 'execute', frozen(), workload())
    await expect(again).rejects.toMatchObject({ reasons: [{ code: 'REPLAYED' }] })
    // The next lapse finds it in its new epoch.
    hold()
    expect(steps.at(-1)).toBe('lapse 2, hold')
    expect(state()).toBe('FROZEN')
    w.launcher.end(id, { cause: 'GRACE', signal: 9 })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_ATTESTATION_STALE' })
    expect(w.registry.get(id)?.origin).toBeNull()
  })

  const changes: [string, (w: World, id: string) => unknown, string, (() => Buffer)?][] = [
    ['its program was revoked', w => w.revoke(1, { kind: 'program', digest: PROGRAM_DIGEST }), 'REVOKED'],
    ['the execution was revoked', (w, id) => w.revoke(1, { kind: 'execution', id }), 'REVOKED'],
    ['policy forbids it', w => w.governance.loadPolicy(forbidding(2)), 'DENIED'],
    [
      'the policy ran out',
      async w => {
        await w.governance.loadPolicy(policyEnvelope({ version: 2, notAfter: '2026-11-21T02:00:01.000Z' }))
        until(w, '2026-11-21T02:00:01.000Z')
      },
      'DENIED',
    ],
    ['its artifact expired', w => until(w, '2026-11-23T00:00:00.000Z'), 'DENIED'],
    ['the trust roots lost its key', w => Object.assign(w.history, { trustRoots: null }), 'DENIED'],
    [
      'the policy is not the one that it names any more',
      w => w.governance.loadPolicy(policyEnvelope({ version: 2, policies: { other: `${PERMIT_ALL}\n` } })),
      'DENIED',
      () => artifact(it => (it.onLapse = { freeze: { grace: 60 } })),
    ],
  ]
  test.each(changes)('is killed when, by the time the gate opens, %s', async (_, change, order, sent) => {
    const { w, id, hold, tries, state, types, steps } = await running(sent?.())
    hold()
    await change(w, id)
    await tries()
    expect(steps.filter(step => /kill|thaw/.test(step))).toEqual([`kill ${order}`])
    expect(state()).toBe('ENDING')
    await expect.poll(async () => (await types()).at(-1)).toBe('renewal')
    const [renewal] = ofType(await w.events(), 'renewal')
    expect(renewal?.outcome).toBe('deny')
  })

  test('stays frozen while what is in the way may pass, and goes on then', async () => {
    const { w, hold, tries, state, steps } = await running()
    hold()
    w.launcher.at.thaw = () => {
      w.launcher.at.thaw = () => undefined
      throw new LauncherError('LEASE_OVER', 'THAW: LEASE_OVER')
    }
    await tries()
    expect(state()).toBe('FROZEN')
    await tries()
    expect(state()).toBe('RUNNING')
    expect(steps.filter(step => /kill|thaw/.test(step))).toEqual(['thaw 2', 'thaw 2'])
    expect(ofType(await w.events(), 'renewal')).toHaveLength(2)
  })

  test('has no thaw in the log after it was frozen anew, while the decision is written down too', async () => {
    const { w, hold, tries, types, steps } = await running()
    hold()
    const { recordRenewal } = w.decider
    w.decider.recordRenewal = async (...decided) => {
      const index = await recordRenewal.apply(w.decider, decided)
      hold()
      return index
    }
    await tries()
    expect(steps.filter(step => step.startsWith('thaw'))).toEqual([])
    await expect.poll(types).toEqual(['decision', 'execution-start', 'freeze', 'renewal', 'freeze'])
  })

  test('is not thawed when the gate closes before the thaw, or when it is frozen again at once', async () => {
    const { w, id, hold, tries, state, steps } = await running()
    hold()
    w.gate.once('renewed', () => queueMicrotask(() => w.gate.close('STALE', [])))
    await tries()
    expect(steps.some(step => step.startsWith('thaw'))).toBe(false)
    expect(state()).toBe('FROZEN')
    w.launcher.at.thaw = () => {
      w.launcher.emit('held', { executionId: id, cause: 'EPOCH', bootNs: 1n })
    }
    await tries()
    expect(steps.at(-1)).toBe('thaw 3')
    expect(state()).toBe('FROZEN')
  })

  test('is killed with the rest when the host fails', async () => {
    const { w, hold, state, steps } = await running()
    hold()
    w.gate.close('FAILED', [])
    expect(steps.at(-1)).toBe('lapse 2')
    expect(state()).toBe('ENDING')
  })

  test('and asks for an end on a lapse, is not waited for', async () => {
    const { hold, state, steps } = await running(artifact())
    hold()
    expect(steps.at(-1)).toBe('lapse 1, hold')
    expect(state()).toBe('ENDING')
  })

  test('keeps its caller and its parent in the fold of the log', async () => {
    const { w, id, hold, tries } = await running()
    hold()
    await tries()
    const history = await History.fold(w.lineage, {
      governance: [governance.public],
      hostId: HOST,
      recoversByItself: false,
    })
    expect(history.ownerOf(id)).toEqual(w.history.ownerOf(id))
    expect(history.openExecutions.map(({ executionId }) => executionId)).toEqual([id])
  })
})

describe('a change of policy or trust roots', () => {
  test('ends what runs and is no longer permitted, and nothing else', async () => {
    const one = await running(frozen(it => (it.onLapse = 'kill')))
    one.renewals.changed()
    expect(one.steps.some(step => step.startsWith('kill'))).toBe(false)
    expect(ofType(await one.w.events(), 'renewal')).toHaveLength(0)
    await one.w.governance.loadPolicy(forbidding(2))
    one.renewals.changed()
    expect(one.steps.at(-1)).toBe('kill DENIED')
    expect(one.state()).toBe('ENDING')
    await expect.poll(async () => ofType(await one.w.events(), 'renewal').length).toBe(1)
    one.w.launcher.end(one.id, { cause: 'DENIED', signal: 9 })
    expect(await one.done).toMatchObject({ cause: 'END_CAUSE_DENIED' })
  })

  test('ends what runs when the clock does not let it be judged', async () => {
    const one = await running(frozen(it => (it.onLapse = 'kill')))
    one.w.time.wallMs -= 3_600_000
    one.renewals.changed()
    expect(one.steps.at(-1)).toBe('kill DENIED')
    await expect.poll(async () => ofType(await one.w.events(), 'renewal').length).toBe(1)
  })

  test('leaves to the lapse what runs behind a gate that is closed', async () => {
    const one = await running(frozen(it => (it.onLapse = 'kill')))
    one.w.gate.close('STALE', [])
    one.renewals.changed()
    expect(one.steps.some(step => step.startsWith('kill'))).toBe(false)
    expect(one.steps).toContain('lapse 1, hold')
  })

  test('ends nothing for what may pass', async () => {
    const it = await running()
    it.hold()
    it.renewals.changed()
    expect(it.steps.some(step => step.startsWith('kill'))).toBe(false)
    expect(it.state()).toBe('FROZEN')
  })
})

function forbidding(version: number): Buffer {
  return policyEnvelope({
    version,
    policies: { all: PERMIT_ALL, none: 'forbid(principal, action == Writ::Action::"Execute", resource);' },
  })
}
