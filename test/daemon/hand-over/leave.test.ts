import { describe, expect, test } from 'vitest'
import { daemonCore } from '../../../daemon/api.ts'
import { attachDigest, newAttachToken } from '../../../daemon/hand-over/attach-token.ts'
import { Leaving } from '../../../daemon/hand-over/leave.ts'
import type { LauncherClient } from '../../../daemon/launcher/client.ts'
import { LauncherError } from '../../../daemon/launcher/error.ts'
import type { DaemonParts } from '../../../daemon/parts.ts'
import type { Carried } from '../../../daemon/running.ts'
import type { LineageEvent } from '../../../lineage/index.ts'
import { running } from '../support/executions.ts'
import { ofType, peer, silent, streams, workload, world } from '../support/world.ts'

const FLUSH_MS = 50

/** A daemon that is about to leave; what it orders to be killed dies at once. */
async function leaver(options: { keepsOverCrash?: boolean } = {}) {
  const w = await world()
  const { launcher, registry, executor, recorder, bootNs } = w
  let during: (event: LineageEvent) => unknown = () => undefined
  const leaving = new Leaving({
    ...{ registry, executor, bootNs, log: silent },
    recorder: {
      record: async (event: Parameters<typeof recorder.record>[0]) => {
        await during(event as LineageEvent)
        return recorder.record(event)
      },
    } as typeof recorder,
    launcher: launcher as unknown as LauncherClient,
    keepsOverCrash: options.keepsOverCrash === true,
  })
  launcher.at.kill = id => launcher.end(id, { cause: 'DAEMON', signal: 9 })
  /** Something runs; what its caller is told last is in `told`. */
  const start = async (given = streams(), parent: string | null = null) => {
    const told: unknown[] = []
    const { id, done } = await running(w, peer(), {
      ...given,
      handedOver: async bytes => void told.push(bytes),
    })
    if (parent !== null) Object.assign(registry.get(id) ?? {}, { parentExecutionId: parent })
    void done.then(
      end => told.push(end?.cause ?? null),
      error => told.push(error.code),
    )
    return { id, told }
  }
  launcher.steps.length = 0
  return {
    ...{ w, leaving, launcher, start },
    leave: (settle: () => unknown = () => undefined) => {
      launcher.steps.length = 0
      return leaving.leave(1000, FLUSH_MS, async () => settle())
    },
    state: (id: string) => registry.get(id)?.state,
    handOvers: async () => ofType(await w.events(), 'hand-over'),
    onRecord: (what: (event: LineageEvent) => unknown) => {
      during = what
    },
  }
}

describe('a daemon that leaves', () => {
  test('says what is to be kept, leaves, writes down what it handed over, and only then tells the callers', async () => {
    const { leave, start, launcher, onRecord, handOvers, state, leaving } = await leaver()
    const it = await start()
    const settled: string[][] = []
    onRecord(event => expect([event.type, it.told]).toEqual(['hand-over', []]))
    expect(leaving.isLeaving).toBe(false)
    const left = leave(() => settled.push([...launcher.steps]))
    expect(leaving.isLeaving).toBe(true)
    expect(await left).toBe(1)
    expect(settled).toEqual([[]])
    expect(launcher.steps).toEqual(['keep', 'keep', 'leave'])
    expect(await handOvers()).toMatchObject([
      { executionId: it.id, over: 'restart', stdinBytes: 7, outputBytes: 0, inputEnded: false },
    ])
    await expect.poll(() => it.told).toEqual([7, null])
    expect(state(it.id)).toBe('KEPT')
    // Nothing that it could still be ended by is its own.
    launcher.emit('ended', { executionId: it.id } as never)
  })

  test('starts nothing more', async () => {
    const { w, leaving } = await leaver()
    leaving.begin()
    const core = daemonCore({ ...w, leaving } as unknown as DaemonParts)
    const asked = core.execute(peer(), null, workload(), streams(), new AbortController().signal)
    await expect(asked).rejects.toMatchObject({ code: 'STARTING' })
    expect(w.stage.staged).toEqual([])
  })

  test('ends first what cannot be kept: hashed, frozen, not started, or without its parent', async () => {
    const { w, leave, start, launcher, handOvers, state } = await leaver()
    const kept = await start()
    const frozen = await start()
    w.registry.update(frozen.id, { state: 'FROZEN' })
    const hashed = await start(streams({ digest: true }))
    const child = await start(streams(), hashed.id)
    const grandchild = await start(streams(), child.id)
    const ended = new Set<string>()
    launcher.on('ended', ({ executionId }) => ended.add(executionId))
    const over = [frozen, hashed, child, grandchild].map(({ id }) => id).sort()
    let bySettle: string[] = []
    expect(await leave(() => (bySettle = [...ended].sort()))).toBe(1)
    expect(bySettle).toEqual(over)
    expect([...ended].sort()).toEqual(over)
    expect(over.map(state)).toEqual(over.map(() => 'ENDED'))
    expect((await handOvers()).map(({ executionId }) => executionId)).toEqual([kept.id])
    expect(launcher.steps.filter(step => !step.startsWith('kill'))).toEqual(['keep', 'keep', 'leave'])
  })

  test('keeps a child with its parent', async () => {
    const { leave, start } = await leaver()
    const parent = await start()
    await start(streams(), parent.id)
    expect(await leave()).toBe(2)
  })

  test('does not keep a child whose parent does not die in time', async () => {
    const { leaving, start, launcher, handOvers } = await leaver()
    const parent = await start(streams({ digest: true }))
    const child = await start(streams(), parent.id)
    launcher.at.kill = id => {
      if (id === child.id) launcher.end(id, { cause: 'DAEMON', signal: 9 })
    }
    expect(await leaving.leave(50, FLUSH_MS, async () => undefined)).toBe(0)
    expect(await handOvers()).toEqual([])
    await expect.poll(() => child.told).toEqual(['END_CAUSE_SHUTDOWN'])
    launcher.end(parent.id)
  })

  test('leaves nothing to a launcher that is too old', async () => {
    const { leave, start, launcher } = await leaver()
    launcher.features = { features: [] }
    const it = await start()
    expect(await leave()).toBe(0)
    expect(launcher.steps).toEqual(['kill DAEMON'])
    await expect.poll(() => it.told).toEqual(['END_CAUSE_SHUTDOWN'])
  })

  test('ends what the launcher does not keep', async () => {
    const { leave, start, launcher, handOvers } = await leaver()
    const it = await start()
    launcher.at.keep = () => {
      throw new LauncherError('CAPACITY', 'no')
    }
    expect(await leave()).toBe(0)
    expect(launcher.steps).toEqual(['keep', 'kill DAEMON'])
    expect(await handOvers()).toEqual([])
    await expect.poll(() => it.told).toEqual(['END_CAUSE_SHUTDOWN'])
  })

  test.each(['keep', 'leave'] as const)('concludes as ever what ends by itself at %s', async step => {
    const { leave, start, launcher, handOvers, state } = await leaver()
    const it = await start()
    const other = await start()
    launcher.at[step] = () => {
      if (launcher.live.has(it.id)) launcher.end(it.id, { exitCode: 3 })
    }
    expect(await leave()).toBe(1)
    expect((await handOvers()).map(({ executionId }) => executionId)).toEqual([other.id])
    await expect.poll(() => it.told).toEqual(['END_CAUSE_EXIT'])
    expect([state(it.id), state(other.id)]).toEqual(['ENDED', 'KEPT'])
  })

  test('leaves where it is what it has not adopted itself, and records nothing of it', async () => {
    const { w, leave, start, launcher, handOvers, state } = await leaver()
    const it = await start()
    w.registry.update(it.id, { state: 'KEPT' })
    // Whoever waits for one to be adopted asks the next daemon.
    const [executionId, token] = ['cd'.repeat(16), newAttachToken()]
    const before = { stdinBytes: 0, outputBytes: 0, inputEnded: false }
    w.executor.attachments.expect({ executionId, attach: attachDigest(token), before })
    const waits = w.executor.attachments.attach(
      { executionId, token },
      { ...streams(), attached: async () => undefined },
      new AbortController().signal,
    )
    const asksNext = expect(waits).rejects.toMatchObject({ code: 'STARTING' })
    expect(await leave()).toBe(0)
    await asksNext
    expect(launcher.steps).toEqual(['leave'])
    expect([state(it.id), await handOvers()]).toEqual(['KEPT', []])
    // A revocation, or a caller that goes: nobody is to be told.
    w.executor.kill(it.id, 'REVOKED')
    expect(launcher.steps).toEqual(['leave'])
  })

  test('does not say that it handed over what its caller did not get in time', async () => {
    const { leave, start, launcher, handOvers } = await leaver()
    launcher.rest = { stdout: [Buffer.from('rest')], stderr: [] }
    const it = await start(streams({ output: () => new Promise(() => undefined) }))
    expect(await leave()).toBe(0)
    expect(await handOvers()).toEqual([])
    await expect.poll(() => it.told).toEqual(['STARTING'])
  })

  test('does not say that it handed over what a lapse froze before it had left', async () => {
    const { w, leave, start, launcher, handOvers } = await leaver()
    const it = await start()
    launcher.at.leave = () => w.registry.update(it.id, { state: 'FROZEN' })
    expect(await leave()).toBe(0)
    expect(await handOvers()).toEqual([])
    await expect.poll(() => it.told).toEqual(['STARTING'])
  })

  test('gives on what it had read, and counts it', async () => {
    const { leave, start, launcher, handOvers } = await leaver()
    launcher.rest = { stdout: [Buffer.from('re'), Buffer.from('st')], stderr: [Buffer.from('!')] }
    const given = streams()
    await start(given)
    expect(await leave()).toBe(1)
    expect(String(Buffer.concat(given.out))).toHaveLength(5)
    expect(await handOvers()).toMatchObject([{ outputBytes: 5 }])
  })

  test('does not say that it handed over what it could not write down', async () => {
    const { leave, start, onRecord } = await leaver()
    onRecord(() => {
      throw new Error('the disk is full')
    })
    const it = await start()
    expect(await leave()).toBe(0)
    await expect.poll(() => it.told).toEqual(['STARTING'])
  })
})

describe('a crash of the daemon', () => {
  const runs = async (
    options: { keepsOverCrash?: boolean },
    given = streams(),
    parent: string | null = null,
    before: Partial<Carried> = {},
  ) => {
    const it = await leaver(options)
    const { id } = await it.start(given, parent)
    const of = it.w.executor.running.get(id)
    if (of === undefined) throw new Error('it runs')
    Object.assign(of, { before: { ...of.before, ...before } })
    it.launcher.steps.length = 0
    const entries: string[][] = []
    it.onRecord(() => entries.push([...it.launcher.steps]))
    it.leaving.runs(of)
    await new Promise(resolve => setTimeout(resolve, 50))
    return { ...it, id, entries, outlives: it.leaving.outlivesCrash(of) }
  }

  test('ends everything unless it is configured otherwise', async () => {
    const { outlives, entries, launcher } = await runs({})
    expect([outlives, entries, launcher.steps]).toEqual([false, [], []])
  })

  test('leaves what runs, without its input, once the log says so', async () => {
    const { outlives, entries, launcher, handOvers } = await runs({ keepsOverCrash: true })
    expect([outlives, entries, launcher.steps]).toEqual([true, [[]], ['keep without input']])
    expect(await handOvers()).toMatchObject([{ over: 'crash', stdinBytes: null }])
  })

  test.each([
    ['is hashed', streams({ digest: true }), null],
    ['is a child', streams(), 'ab'.repeat(16)],
  ])('does not leave what %s', async (_, given, parent) => {
    const { outlives, entries, launcher } = await runs({ keepsOverCrash: true }, given, parent)
    expect([outlives, entries, launcher.steps]).toEqual([false, [], []])
  })

  test.each([true, false])(
    'has its output counted on by who outlives this one too, once there was one (configured now: %s)',
    async keepsOverCrash => {
      const { launcher } = await runs({ keepsOverCrash }, streams(), null, { outputBytes: null })
      launcher.stdout.write('four')
      await expect.poll(() => launcher.noted.at(-1)).toBeGreaterThanOrEqual(4)
    },
  )

  test('has nobody count output of which the log will say how much it was', async () => {
    const given = streams()
    const { launcher } = await runs({}, given)
    launcher.stdout.write('four')
    await expect.poll(() => String(Buffer.concat(given.out))).toBe('four')
    expect(launcher.noted).toEqual([])
  })

  test('does not leave what a lapse has frozen before that could be written down', async () => {
    const it = await leaver({ keepsOverCrash: true })
    const { id } = await it.start()
    it.w.registry.update(id, { state: 'FROZEN' })
    const of = it.w.executor.running.get(id)
    if (of !== undefined) it.leaving.runs(of)
    expect(await it.leave()).toBe(0)
    expect(await it.handOvers()).toEqual([])
  })

  test('leaves an input that had ended as one that has ended', async () => {
    const { handOvers } = await runs({ keepsOverCrash: true }, streams(), null, { inputEnded: true })
    expect(await handOvers()).toMatchObject([{ over: 'crash', inputEnded: true }])
  })
})
