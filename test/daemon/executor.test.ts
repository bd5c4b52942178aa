import { describe, expect, test } from 'vitest'
import { LauncherError } from '../../daemon/launcher/error.ts'
import type { Permit } from '../../daemon/permit.ts'
import { alice, HOST, PROGRAM_DIGEST, payloadDigest, policyEnvelope } from '../authorization/scenario.ts'
import { faultyIo } from '../lineage/support/faulty-io.ts'
import {
  FORBID_ALL,
  forProduction,
  idOf,
  never,
  permit,
  permitAhead,
  running,
  signedLabels,
  unlimited,
} from './support/executions.ts'
import { ofType, peer, streams, type World, world } from './support/world.ts'

describe('a start', () => {
  test('waits for the log: prepare, START durable, start, end durable', async () => {
    const w = await world()
    const seen: string[] = []
    w.launcher.at.start = async id => {
      const last = (await w.events()).at(-1)
      expect(last).toMatchObject({ type: 'execution-start', executionId: id, pid: 77, epoch: 1 })
      seen.push(id)
    }
    const { id, done } = await running(w)
    expect(w.history.governed.has(PROGRAM_DIGEST)).toBe(true)
    expect(w.registry.get(id)).toMatchObject({ state: 'RUNNING', pid: 77, uid: 70_001 })
    w.launcher.end(id, { exitCode: 7 })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_EXIT', exitCode: 7, confirmedDead: true })
    expect(seen).toEqual([id])
    expect(w.launcher.steps).toEqual(['prepare', 'start 1'])
    const [start] = ofType(await w.events(), 'execution-start')
    expect((await w.events())[start?.decision ?? -1]).toMatchObject({ outcome: 'permit', executionId: id })
    expect((await w.events()).at(-1)).toMatchObject({
      type: 'execution-end',
      cause: 'EXITED',
      exitCode: 7,
      rusage: { userUs: 1, systemUs: 2, maxRssKib: 3 },
    })
    expect(w.registry.get(id)?.state).toBe('ENDED')
  })

  test.each(['did not persist', 'did persist'] as const)(
    'that cannot be recorded (%s) does not happen',
    async effect => {
      const io = faultyIo()
      const w = await world({ io })
      const it = await permit(w)
      w.launcher.at.prepare = () => io.fail('fdatasync', 1, effect)
      await expect(w.executor.run(it, peer(), streams(), never())).rejects.toMatchObject({
        code: 'LINEAGE_UNAVAILABLE',
      })
      expect(w.launcher.steps).toEqual(['prepare', 'abandon'])
      expect(w.registry.liveCount).toBe(0)
    },
  )

  test('may be made ready while its permit becomes durable, once, and still waits for both entries', async () => {
    const w = await world()
    let during = -1
    w.launcher.at.prepare = async () => {
      during = ofType(await w.events(), 'decision').length
    }
    w.launcher.at.start = async id => {
      const [decision, start] = (await w.events()).slice(-2)
      expect(decision).toMatchObject({ type: 'decision', outcome: 'permit', executionId: id })
      expect(start).toMatchObject({ type: 'execution-start', executionId: id, pid: 77 })
    }
    const it = await permitAhead(w)
    const done = w.executor.run(it, peer(), streams(), never())
    await expect.poll(() => w.registry.get(idOf(it))?.state).toBe('RUNNING')
    expect(during).toBe(0)
    w.launcher.end(idOf(it), { exitCode: 0 })
    expect(await done).toMatchObject({ exitCode: 0 })
    expect(w.launcher.steps).toEqual(['prepare', 'start 1'])
  })

  test.each(['did not persist', 'did persist'] as const)(
    'that was made ready ahead is let go when its permit cannot be made durable (%s)',
    async effect => {
      const io = faultyIo()
      const w = await world({ io })
      const slow = Promise.withResolvers<void>()
      w.launcher.at.prepare = () => slow.promise
      w.stage.during = () => io.fail('fdatasync', 1, effect)
      await expect(permitAhead(w)).rejects.toMatchObject({
        reasons: [expect.objectContaining({ code: 'LINEAGE_UNAVAILABLE' })],
      })
      const [id] = w.stage.staged
      expect(w.stage.abandoned).toEqual([id])
      // Its streams come only now.
      slow.resolve()
      await expect.poll(() => w.stage.abandoned).toEqual([id, id])
      expect(w.launcher.steps).toEqual(['prepare'])
    },
  )

  test('that cannot be made ready ahead has not started, as any', async () => {
    const w = await world()
    w.launcher.at.prepare = () => {
      throw new LauncherError('SUBJECT_HIDDEN', 'hidden')
    }
    const it = await permitAhead(w)
    expect(await w.executor.run(it, peer(), streams(), never())).toMatchObject({
      cause: 'END_CAUSE_START_FAILED',
    })
    expect((await w.events()).map(({ type }) => type).slice(-2)).toEqual(['decision', 'execution-end'])
  })

  const parent = 'ee'.repeat(16)
  const lapses: [string, (w: World) => unknown, string][] = [
    ['the gate closed', w => w.gate.close('STALE', []), 'ATTESTATION_STALE'],
    ['the host failed', w => w.gate.close('FAILED', []), 'ATTESTATION_FAILED'],
    [
      'the gate closed and opened again',
      w => {
        w.gate.close('STALE', [])
        expect(w.attest()).toBe(true)
      },
      'ATTESTATION_STALE',
    ],
    ['the evidence got too old', w => (w.time.bootNs += 31_000_000_000n), 'ATTESTATION_STALE'],
    [
      'its artifact was revoked',
      w => w.revoke(1, { kind: 'artifact', digest: payloadDigest(unlimited) }),
      'REVOKED',
    ],
    ['its program was revoked', w => w.revoke(1, { kind: 'program', digest: PROGRAM_DIGEST }), 'REVOKED'],
    ['its signer was revoked', w => w.revoke(1, { kind: 'key', id: alice.public.id }), 'REVOKED'],
    ['the host was revoked', w => w.revoke(1, { kind: 'host', id: HOST }), 'REVOKED'],
    [
      'the policy was revoked',
      w => w.revoke(1, { kind: 'policy', digest: w.history.policy?.digest ?? '' }),
      'REVOKED',
    ],
    [
      'it was itself revoked',
      w => w.revoke(1, { kind: 'execution', id: w.launcher.orders.at(-1)?.executionId ?? '' }),
      'REVOKED',
    ],
    [
      'another policy is in force that forbids it',
      w => w.governance.loadPolicy(policyEnvelope({ version: 2, policies: { none: FORBID_ALL } })),
      'POLICY_DENIED',
    ],
    ['its key is no longer trusted', w => Object.assign(w.history, { trustRoots: null }), 'SIGNER_UNTRUSTED'],
    ['it expired', w => (w.time.wallMs = Date.parse('2026-11-22T00:00:00.000Z')), 'ARTIFACT_EXPIRED'],
  ]
  test.each(lapses)('does not happen when, while it is made ready ahead, %s', async (_, lapse, code) => {
    const w = await world()
    w.launcher.at.prepare = async () => void (await lapse(w))
    const it = await permitAhead(w)
    await expect(w.executor.run(it, peer(), streams(), never())).rejects.toMatchObject({
      reasons: expect.arrayContaining([expect.objectContaining({ code })]),
    })
    expect(w.launcher.steps.filter(step => step.startsWith('start'))).toEqual([])
  })

  test.each(lapses)('does not happen when, since the permit, %s', async (_, lapse, code) => {
    const w = await world()
    const it = await permit(w)
    w.launcher.at.prepare = async () => void (await lapse(w))
    await expect(w.executor.run(it, peer(), streams(), never())).rejects.toMatchObject({
      reasons: expect.arrayContaining([expect.objectContaining({ code })]),
    })
    expect(w.launcher.steps.filter(step => step.startsWith('start'))).toEqual([])
    expect(w.launcher.steps).toContain('abandon')
    const types = (await w.events()).map(({ type }) => type)
    expect(types.slice(types.indexOf('execution-start'))).toContain('execution-end')
  })

  test.each<[string, (w: World) => unknown]>([
    ['has other labels', w => w.governance.loadHostLabels(signedLabels(2, 'edge'))],
    [
      'has none any more',
      w => {
        w.time.wallMs += 6000
        w.time.bootNs += 6_000_000_000n
      },
    ],
  ])('does not happen when, since the permit, the host %s', async (_, lapse) => {
    const w = await world()
    await w.governance.loadHostLabels(signedLabels(1, 'production'))
    const it = await permit(w, forProduction)
    w.launcher.at.prepare = async () => void (await lapse(w))
    await expect(w.executor.run(it, peer(), streams(), never())).rejects.toMatchObject({
      reasons: [expect.objectContaining({ code: 'AUDIENCE_MISMATCH' })],
    })
    expect(w.launcher.steps.filter(step => step.startsWith('start'))).toEqual([])
  })

  test('that is refused has its end in the log, however late the launcher tells of it', async () => {
    const w = await world()
    const it = await permit(w)
    w.launcher.at.start = () => {
      throw new LauncherError('EPOCH_OVER', 'START: EPOCH_OVER')
    }
    Object.assign(w.launcher, { abandon: () => undefined })
    expect(await w.executor.run(it, peer(), streams(), never())).toMatchObject({ confirmedDead: false })
    expect(ofType(await w.events(), 'execution-end')).toEqual([])
    w.launcher.end(idOf(it), { cause: 'NOT_STARTED', signal: 9 })
    await expect.poll(async () => ofType(await w.events(), 'execution-end')).toHaveLength(1)
  })

  test('does not happen when the parent has ended since the permit', async () => {
    const w = await world()
    const it = await permit(w)
    const caller = { ...peer(), parentExecution: parent }
    const child: Permit = {
      ...it,
      input: { ...it.input, caller: { ...(it.input.caller ?? expect.fail()), parentExecution: parent } },
    }
    await expect(w.executor.run(child, caller, streams(), never())).rejects.toMatchObject({
      reasons: [expect.objectContaining({ code: 'PARENT_ENDED' })],
    })
    expect(w.launcher.steps).toEqual(['prepare', 'abandon'])
  })

  test('does not happen when the caller is gone', async () => {
    const w = await world()
    const gone = new AbortController()
    const it = await permit(w)
    w.launcher.at.prepare = () => gone.abort()
    expect(await w.executor.run(it, peer(), streams(), gone.signal)).toMatchObject({
      cause: 'END_CAUSE_START_FAILED',
    })
    expect(w.launcher.steps).toEqual(['prepare', 'abandon'])
  })

  test('that the launcher refuses is told at once, with its reason, and recorded', async () => {
    const w = await world()
    const it = await permit(w)
    w.launcher.at.prepare = () => {
      throw new LauncherError('DIGEST_MISMATCH', 'another digest')
    }
    const before = performance.now()
    expect(await w.executor.run(it, peer(), streams(), never())).toMatchObject({
      cause: 'END_CAUSE_START_FAILED',
      confirmedDead: true,
      message: 'another digest',
      executionId: it.input.request.executionId,
    })
    expect(w.registry.get(it.input.request.executionId)?.end).toMatchObject({ message: 'another digest' })
    expect(performance.now() - before).toBeLessThan(1500)
    expect(ofType(await w.events(), 'execution-end')).toMatchObject([{ cause: 'NOT_STARTED' }])
    expect(w.registry.liveCount).toBe(0)
  })
})
