import { describe, expect, test } from 'vitest'
import { readRevocation, signRevocation } from '../../authorization/index.ts'
import { History } from '../../daemon/history.ts'
import { LauncherError } from '../../daemon/launcher/error.ts'
import type { Permit } from '../../daemon/permit.ts'
import {
  alice,
  artifact,
  governance,
  HOST,
  labels,
  PROGRAM_DIGEST,
  payloadDigest,
  policyEnvelope,
} from '../authorization/scenario.ts'
import { faultyIo } from '../lineage/support/faulty-io.ts'
import { type Counted, counted } from './support/counted-streams.ts'
import { ofType, peer, streams, type World, workload, world } from './support/world.ts'

const unlimited = artifact(it => {
  it.validity.maxUses = 'any'
})
const forProduction = artifact(it => {
  it.validity.maxUses = 'any'
  it.audience.labels = ['production']
})
const signedLabels = (version: number, label: string) =>
  Buffer.from(labels(label, { version, notAfter: '2026-11-21T02:00:05.000Z' }).envelope)
const permit = (w: World, sent = unlimited): Promise<Permit> =>
  w.decider.decide(peer(), 'execute', sent, workload())
/** The same as the API asks for it: made ready while it is made durable. */
const permitAhead = (w: World, sent = unlimited) =>
  w.decider.decide(peer(), 'execute', sent, workload(), decided => w.executor.makeReady(decided))
const FORBID_ALL = 'forbid(principal, action, resource);'
const idOf = ({ input }: Permit) => input.request.executionId
const never = () => new AbortController().signal

/** Runs a permit until its program runs. */
async function running(w: World, who = peer(), given = streams(), signal = never()) {
  const it = await permit(w)
  const started = Promise.withResolvers<void>()
  const done = w.executor.run(
    it,
    who,
    {
      ...given,
      started: async message => {
        await given.started(message)
        started.resolve()
      },
    },
    signal,
  )
  await Promise.race([started.promise, done])
  return { id: idOf(it), done }
}

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

describe('an end', () => {
  test('is ordered before anything is written, and recorded once', async () => {
    const w = await world()
    const { id, done } = await running(w)
    const size = w.lineage.size
    w.executor.kill(id, 'TERMINATED')
    expect(w.launcher.steps.at(-1)).toBe('kill TERMINATED')
    expect(w.lineage.size).toBe(size)
    w.launcher.emit('kill-sent', { executionId: id, cause: 'TERMINATED', bootNs: 1n })
    w.launcher.emit('kill-sent', { executionId: id, cause: 'TERMINATED', bootNs: 1n })
    expect(w.registry.get(id)?.state).toBe('ENDING')
    w.time.bootNs = 8_000_000_000n
    w.launcher.end(id, { cause: 'TERMINATED', signal: 9 })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_TERMINATED', signal: 9 })
    expect(ofType(await w.events(), 'kill-sent')).toHaveLength(1)
  })

  test('happens though the log is gone', async () => {
    const io = faultyIo()
    const w = await world({ io })
    const { id, done } = await running(w)
    io.fail('fdatasync', 1, 'did not persist')
    w.executor.kill(id, 'REVOKED')
    w.launcher.emit('kill-sent', { executionId: id, cause: 'REVOKED', bootNs: 1n })
    w.launcher.end(id, { cause: 'REVOKED', signal: 9 })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_REVOKED', confirmedDead: true })
    expect(io.happened).toBe(true)
    expect(w.launcher.steps).toContain('kill REVOKED')
    expect(w.registry.get(id)?.state).toBe('ENDED')
  })

  test('of all of an epoch is one order to the launcher, at once', async () => {
    const w = await world()
    const { id, done } = await running(w)
    w.gate.on('transition', ({ epoch }) => w.executor.lapse(epoch - 1n, false))
    w.gate.close('FAILED', [])
    expect(w.launcher.steps.at(-1)).toBe('lapse 1')
    expect(w.registry.get(id)?.state).toBe('ENDING')
    w.launcher.end(id, { cause: 'LAPSE', signal: 9, bootNs: w.time.bootNs + 3_000_000n })
    expect(await done).toMatchObject({ cause: 'END_CAUSE_ATTESTATION_FAILED', killMs: 3 })
  })

  test('that was ordered during the start stays ordered', async () => {
    const w = await world()
    w.launcher.at.start = id => w.executor.kill(id, 'TERMINATED')
    const { id, done } = await running(w)
    expect(w.registry.get(id)?.state).toBe('ENDING')
    w.launcher.end(id, { cause: 'TERMINATED', signal: 9 })
    await done
  })

  test('is ordered when the caller goes, also if it goes before it is told of the start', async () => {
    const w = await world()
    w.launcher.at.kill = id => w.launcher.end(id, { cause: 'CALLER_GONE', signal: 9 })
    const gone = new AbortController()
    const first = await running(w, peer(), streams(), gone.signal)
    gone.abort()
    expect(await first.done).toMatchObject({ cause: 'END_CAUSE_CALLER_GONE' })

    const failing = streams({ started: () => Promise.reject(new Error('the stream is gone')) })
    const it = await permit(w)
    await expect(w.executor.run(it, peer(), failing, never())).rejects.toThrow('the stream is gone')
    expect(w.launcher.steps.at(-1)).toBe('kill CALLER_GONE')
    expect(ofType(await w.events(), 'execution-end').map(({ cause }) => cause)).toEqual([
      'CALLER_GONE',
      'CALLER_GONE',
    ])
    expect(w.registry.liveCount).toBe(0)
  })

  test('that nobody has seen, since the launcher is gone, is told as such and stays open in the log', async () => {
    const w = await world()
    const { id, done } = await running(w)
    w.launcher.emit('disconnected', new LauncherError('DISCONNECTED', 'gone'))
    w.launcher.stdout.end()
    w.launcher.stderr.end()
    expect(await done).toMatchObject({ cause: 'END_CAUSE_LEASE_LAPSED', confirmedDead: false })
    expect(ofType(await w.events(), 'execution-end')).toEqual([])
    const { openExecutions } = await History.fold(w.lineage, {
      governance: [governance.public],
      hostId: HOST,
      recoversByItself: false,
    })
    expect(openExecutions.map(({ executionId }) => executionId)).toEqual([id])
    expect(w.registry.liveCount).toBe(0)
  })

  test('follows when both streams together pass the limit; the caller gets exactly what is within it', async () => {
    const w = await world({ maxOutputBytes: 100_000 })
    w.launcher.at.kill = id => w.launcher.end(id, { cause: 'OUTPUT_LIMIT', signal: 9 })
    const given: Counted = counted()
    const { done } = await running(w, peer(), given.streams)
    w.launcher.stdout.write(Buffer.alloc(60_000, 1))
    w.launcher.stderr.write(Buffer.alloc(60_000, 2))
    expect(await done).toMatchObject({ cause: 'END_CAUSE_LIMIT' })
    expect(given.stdout + given.stderr).toBe(100_000)
    expect(w.launcher.steps.filter(step => step.startsWith('kill'))).toEqual(['kill OUTPUT_LIMIT'])
  })

  test('of a parent ends its children; a revoked ancestor is enough', async () => {
    const w = await world()
    const first = await running(w)
    const second = await running(w)
    const entry = w.registry.get(second.id) ?? expect.fail()
    w.registry.end(second.id, {})
    const grown = 'dd'.repeat(16)
    w.registry.add({ ...entry, executionId: grown, parentExecutionId: first.id })
    await w.revoke(1, { kind: 'execution', id: first.id })
    expect(w.executor.endRevoked()).toEqual([first.id, grown])
    w.launcher.end(first.id, { cause: 'REVOKED' })
    await first.done
    w.launcher.end(second.id)
    await second.done
  })

  test('follows from the revocation of a key that its threshold needed', async () => {
    const w = await world()
    const { id, done } = await running(w)
    await w.revoke(1, { kind: 'key', id: 'ab'.repeat(32) })
    expect(w.executor.endRevoked()).toEqual([])
    const key = w.registry.get(id)?.signed.by[0]?.keyId ?? ''
    // Not in force yet: an end does not wait for that.
    const envelope = signRevocation({ version: 1, epoch: 2, revoke: [{ kind: 'key', id: key }] }, governance)
    expect(w.executor.endRevoked(w.history.revocations.with(readRevocation(envelope)))).toEqual([id])
    expect(w.history.revocations.epoch).toBe(1)
    expect(w.launcher.steps.at(-1)).toBe('kill REVOKED')
    w.launcher.end(id, { cause: 'REVOKED' })
    await done
  })

  test('of everything, for a stop, waits until all are dead, and not for ever', async () => {
    const w = await world()
    const { id, done } = await running(w)
    const before = performance.now()
    await w.executor.endAll(60)
    expect(performance.now() - before).toBeLessThan(1000)
    expect(w.registry.liveCount).toBe(1)
    w.launcher.at.kill = () => w.launcher.end(id, { cause: 'DAEMON', signal: 9 })
    await w.executor.endAll(5000)
    expect(w.registry.liveCount).toBe(0)
    await done
  })
})
