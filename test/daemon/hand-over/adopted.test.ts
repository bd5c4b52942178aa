import { closeSync, openSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { attachDigest, newAttachToken } from '../../../daemon/hand-over/attach-token.ts'
import type { KeptExecution } from '../../../daemon/hand-over/kept.ts'
import { rebuild } from '../../../daemon/hand-over/rebuild.ts'
import type { OpenExecution } from '../../../daemon/history/history.ts'
import type { LauncherClient } from '../../../daemon/launcher/client.ts'
import { LauncherError } from '../../../daemon/launcher/error.ts'
import { HeldDescriptor } from '../../../daemon/launcher/held-descriptor.ts'
import { Renewals } from '../../../daemon/renewals.ts'
import type { DetachedStreams } from '../../../daemon/running.ts'
import type { LineageEvent } from '../../../lineage/index.ts'
import { policyEnvelope } from '../../authorization/scenario.ts'
import { FORBID_ALL, running } from '../support/executions.ts'
import { ofType, silent, streams, world } from '../support/world.ts'

const ATTACH_MS = 100
const DEADLINES = { expiryNs: null, runTimeNs: null, maxEvidenceAgeNs: 1n } as never

/** As the log of an earlier run has it. */
async function handedOver(): Promise<KeptExecution> {
  const before = await world()
  const { id: executionId } = await running(before)
  const decision = before.registry.get(executionId)?.decisionIndex ?? 0n
  const handOver = await before.recorder.record({
    ...{ type: 'hand-over', executionId, decision: Number(decision), over: 'restart' },
    ...{ attach: 'ab'.repeat(32), stdinBytes: 3, outputBytes: 5, inputEnded: true, children: null },
  })
  const start = (await before.events()).findIndex(({ type }) => type === 'execution-start')
  const open = { executionId, decision, start: BigInt(start), handOver } as OpenExecution
  return rebuild(before.lineage, open)
}

/** The next run of the daemon, which expects what was handed over; `during` is what happens when an entry has become durable. */
async function next(...given: (KeptExecution | (() => Promise<DetachedStreams>))[]) {
  const executions = given.filter(it => typeof it !== 'function')
  const detached = given.find(it => typeof it === 'function') ?? (async () => null)
  const w = await world({
    attachMs: ATTACH_MS,
    openSocket: async ({ descriptor }) => {
      closeSync(descriptor)
      throw new Error('EMFILE')
    },
  })
  w.gate.close('STALE', [])
  let during: (event: LineageEvent) => void | Promise<void> = () => undefined
  const recorder = {
    record: async (event: Parameters<typeof w.recorder.record>[0]) => {
      const index = await w.recorder.record(event)
      await during(event as LineageEvent)
      return index
    },
  }
  const { registry, decider, executor, gate, launcher } = w
  for (const { executionId } of executions) launcher.live.add(executionId)
  for (const it of executions) executor.expect(it)
  const renewals = new Renewals({
    ...{ registry, decider, executor, gate, log: silent },
    recorder: recorder as typeof w.recorder,
    launcher: launcher as unknown as LauncherClient,
    kept: {
      executions,
      deadlines: () => DEADLINES,
      goOn: (it, prepared, epoch) => executor.goOn(it, prepared, epoch, detached),
    },
  })
  const [first] = executions
  const id = first?.executionId ?? ''
  const types = async () =>
    (await w.events()).filter(event => 'executionId' in event && event.executionId === id).map(it => it.type)
  return {
    ...{ w, id, types, renewals, steps: launcher.steps },
    state: (of = id) => registry.get(of)?.state,
    attest: async () => {
      w.attest()
      await renewals.settled()
    },
    when: (type: LineageEvent['type'], what: () => unknown) => {
      during = async event => {
        if (event.type === type) await what()
      }
    },
  }
}

describe('what was handed over', () => {
  test('is adopted after a decision and an entry of its own that are durable, in the epoch of both', async () => {
    const { w, id, attest, state, steps, types } = await next(await handedOver())
    expect([state(), steps]).toEqual(['KEPT', []])
    let seen: LineageEvent[] = []
    w.launcher.at.adopt = async () => {
      seen = (await w.events()).slice(-2)
    }
    await attest()
    const { epoch } = w.gate.snapshot()
    expect(seen).toMatchObject([
      { type: 'renewal', executionId: id, outcome: 'permit' },
      { type: 'adoption', executionId: id, epoch: Number(epoch) },
    ])
    expect(steps).toEqual([`adopt ${epoch}`])
    expect(state()).toBe('RUNNING')
    expect(await types()).toEqual(['renewal', 'adoption'])
    await attest()
    expect(steps).toEqual([`adopt ${epoch}`])
  })

  test('stays as it is without evidence of this run', async () => {
    const { renewals, steps, state, types } = await next(await handedOver())
    renewals.changed()
    await renewals.settled()
    expect([steps, state(), await types()]).toEqual([[], 'KEPT', []])
  })

  test('stays as it is when the gate closes before it is adopted, and the next evidence needs another decision', async () => {
    const { w, attest, when, steps, state, types } = await next(await handedOver())
    when('adoption', () => w.gate.close('STALE', []))
    await attest()
    expect([steps, state()]).toEqual([[], 'KEPT'])
    when('daemon-stop', () => undefined)
    await attest()
    expect(steps).toEqual([`adopt ${w.gate.snapshot().epoch}`])
    expect(await types()).toEqual(['renewal', 'adoption', 'renewal', 'adoption'])
  })

  test('is not adopted in another epoch than it was decided on in', async () => {
    const { w, attest, when, steps } = await next(await handedOver())
    when('adoption', () => {
      w.gate.close('STALE', [])
      when('daemon-stop', () => undefined)
      w.attest()
    })
    await attest()
    await expect.poll(() => steps).toEqual([`adopt ${w.gate.snapshot().epoch}`])
    const epochs = ofType(await w.events(), 'adoption').map(({ epoch }) => epoch)
    expect(epochs).toEqual([Number(w.gate.snapshot().epoch) - 1, Number(w.gate.snapshot().epoch)])
  })

  test('is not adopted when it is revoked while that is written down', async () => {
    const { w, id, attest, when, steps, state } = await next(await handedOver())
    when('adoption', async () => {
      await w.revoke(1, { kind: 'execution', id })
      w.executor.endRevoked()
    })
    await attest()
    expect([steps, state()]).toEqual([['kill REVOKED'], 'ENDING'])
  })

  test.each([
    ['REVOKED', (w, id) => w.revoke(1, { kind: 'execution', id })],
    ['DENIED', w => w.governance.loadPolicy(policyEnvelope({ version: 2, policies: { all: FORBID_ALL } }))],
  ] as [string, (w: Awaited<ReturnType<typeof world>>, id: string) => Promise<unknown>][])(
    'is killed when the decision on it is %s',
    async (order, change) => {
      const { w, id, attest, steps, types } = await next(await handedOver())
      await change(w, id)
      await attest()
      expect(steps).toEqual([`kill ${order}`])
      await expect.poll(types).toEqual(['renewal'])
      expect(ofType(await w.events(), 'renewal')).toMatchObject([{ outcome: 'deny' }])
      await attest()
      expect(steps).toEqual([`kill ${order}`])
    },
  )

  test('stays kept when the launcher refuses, and is tried anew with the next evidence', async () => {
    const { w, attest, steps, state } = await next(await handedOver())
    w.launcher.at.adopt = () => {
      throw new LauncherError('LEASE_OVER', 'no')
    }
    await attest()
    expect(state()).toBe('KEPT')
    w.launcher.at.adopt = () => undefined
    await attest()
    expect([steps.length, state()]).toEqual([2, 'RUNNING'])
  })

  test('is not adopted once it has ended, which is recorded', async () => {
    const { w, id, attest, steps, types } = await next(await handedOver())
    w.launcher.end(id, { cause: 'LEASE', signal: 9 })
    await attest()
    expect(steps).toEqual([])
    await expect.poll(types).toEqual(['execution-end'])
  })

  test('has no adoption in the log once it has ended, while the decision is written down too', async () => {
    const { w, id, attest, steps, types } = await next(await handedOver())
    const { recordRenewal } = w.decider
    w.decider.recordRenewal = async (...decided) => {
      const index = await recordRenewal.apply(w.decider, decided)
      w.launcher.end(id, { cause: 'EXITED', exitCode: 0 })
      await expect.poll(types).toContain('execution-end')
      return index
    }
    await attest()
    expect([steps, await types()]).toEqual([[], ['renewal', 'execution-end']])
  })

  describe('detached', () => {
    /** Its files, which take their time. */
    function files() {
      const written: string[] = []
      const ready = Promise.withResolvers<void>()
      ready.promise.catch(() => undefined)
      const streams: DetachedStreams = {
        stdin: (async function* () {})(),
        stdinTaken: () => undefined,
        stdinClosed: () => undefined,
        output: async (_, bytes) => void written.push(String(bytes)),
        handedOver: async () => undefined,
        over: async () => void written.push('over'),
      }
      return { written, ready, detached: () => ready.promise.then(() => streams) }
    }

    test('that ends while its files are read has one end, and all of its output in them', async () => {
      const { written, ready, detached } = files()
      const { w, id, types, state } = await next(detached, await handedOver())
      w.launcher.stdout.end('the last words')
      w.launcher.stderr.end()
      w.attest()
      await expect.poll(() => w.launcher.steps).toHaveLength(1)
      w.launcher.end(id, { cause: 'EXITED', exitCode: 0 })
      await expect.poll(() => state()).toBe('ENDED')
      ready.resolve()
      await expect.poll(() => written).toEqual(['the last words', 'over'])
      expect(await types()).toEqual(['renewal', 'adoption', 'execution-end'])
    })

    test('that a lapse freezes while its files are read is frozen, and goes on with the next evidence', async () => {
      const { ready, detached } = files()
      const it = await handedOver()
      Object.assign(it.permit.decision.terms ?? {}, { onLapse: { freeze: { graceMs: 60_000 } } })
      const { w, id, attest, renewals, state, types } = await next(detached, it)
      w.attest()
      await expect.poll(() => w.launcher.steps).toHaveLength(1)
      const { epoch } = w.gate.snapshot()
      w.gate.close('STALE', [])
      w.executor.lapse(epoch, true)
      w.launcher.emit('held', { executionId: id, cause: 'LAPSE', bootNs: 0n })
      ready.resolve()
      await renewals.settled()
      expect(state()).toBe('FROZEN')
      await attest()
      expect(w.launcher.steps.at(-1)).toBe(`thaw ${w.gate.snapshot().epoch}`)
      expect(state()).toBe('RUNNING')
      expect(await types()).toEqual(['renewal', 'adoption', 'freeze', 'renewal', 'thaw'])
    })

    test('ends when its files cannot be gone on with', async () => {
      const { ready, detached } = files()
      const { w, attest, steps } = await next(detached, await handedOver())
      const socket = new HeldDescriptor(openSync('/dev/null', 'r'))
      w.launcher.socket = socket
      ready.reject(new Error('EIO'))
      await attest()
      expect(steps).toEqual([`adopt ${w.gate.snapshot().epoch}`, 'kill DAEMON'])
      expect(socket.take()).toBeNull()
    })
  })

  test('is not gone on with once its end is being written down, which is done once', async () => {
    const it = await handedOver()
    const { w, id, types, state } = await next(it)
    const adopted = await w.launcher.adopt(id, 1n)
    const socket = new HeldDescriptor(openSync('/dev/null', 'r'))
    w.launcher.end(id, { cause: 'LEASE', signal: 9 })
    // Its end has been heard of, and has no entry yet.
    for (let turns = 0; turns < 8; turns++) await Promise.resolve()
    const goesOn = w.executor.goOn(it, { ...adopted, socket }, 1n, async () => null)
    await expect(goesOn).rejects.toThrow('it has ended')
    expect(socket.take()).toBeNull()
    await expect.poll(() => state()).toBe('ENDED')
    expect(await types()).toEqual(['execution-end'])
  })

  test('ends when nobody can serve on its own socket: its caller hears of it, and nothing stays open', async () => {
    const token = newAttachToken()
    const it = await handedOver()
    const { w, id, attest, steps, state } = await next({
      ...it,
      kept: { ...it.kept, attach: attachDigest(token) },
    })
    const socket = new HeldDescriptor(openSync('/dev/null', 'r'))
    w.launcher.socket = socket
    const hears = w.executor.attachments.attach(
      { executionId: id, token },
      { ...streams(), attached: async () => undefined },
      new AbortController().signal,
    )
    await attest()
    expect(steps).toEqual([`adopt ${w.gate.snapshot().epoch}`, 'kill DAEMON'])
    expect(socket.take()).toBeNull()
    w.launcher.end(id, { cause: 'DAEMON', signal: 9 })
    expect(await hears).toMatchObject({ cause: 'END_CAUSE_SHUTDOWN' })
    await expect.poll(() => [state(), w.executor.endings.has(id)]).toEqual(['ENDED', false])
  })

  test('ends with a lapse of this run too: it belongs to none of its epochs', async () => {
    const { w, state } = await next(await handedOver())
    w.executor.lapse(0n, true)
    expect(state()).toBe('ENDING')
  })

  test('is adopted after its parent, and not without it', async () => {
    const parent = await handedOver()
    const child = await handedOver()
    const of = { ...child, caller: { ...child.caller, parentExecution: parent.executionId } }
    const { w, attest, steps, state, id } = await next(parent, of)
    w.launcher.at.adopt = executionId => {
      if (executionId === id) throw new LauncherError('LEASE_OVER', 'no')
    }
    await attest()
    expect(steps).toHaveLength(1)
    expect([state(), state(of.executionId)]).toEqual(['KEPT', 'KEPT'])
  })
})

describe('what was adopted', () => {
  test('ends when its caller does not come back in time: nobody would hear of it', async () => {
    const { w, id, attest, steps, state } = await next(await handedOver())
    await attest()
    expect(state()).toBe('RUNNING')
    expect(steps).not.toContain('kill CALLER_GONE')
    await expect.poll(() => steps, { interval: 10 }).toContain('kill CALLER_GONE')
    expect(state()).toBe('ENDING')
    w.launcher.end(id, { cause: 'CALLER_GONE', signal: 9 })
    await expect
      .poll(async () => ofType(await w.events(), 'execution-end').map(({ cause }) => cause))
      .toEqual(['CALLER_GONE'])
  })
})
