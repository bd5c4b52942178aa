import { beforeEach, describe, expect, test } from 'vitest'
import type { LineageEvent } from '../../lineage/index.ts'
import {
  collectEntries,
  findPermit,
  type Numbered,
  readStory,
  statementBytes,
  statementOf,
} from '../../receipt/index.ts'
import { allSchemas } from '../schema/published.ts'
import { isValid } from '../schema/validator.ts'
import { begun, sourceOf, types } from './support/finished.ts'

const ORDER = [
  'trust-roots',
  'policy',
  'daemon-start',
  'appraisal',
  'decision',
  'execution-start',
  'execution-end',
]

describe('the entries of a receipt', () => {
  test('are the execution\u2019s own and what its permit rests on, of all that the log has', async () => {
    const w = await begun()
    const first = await w.run()
    const second = await w.run()
    await w.begin()
    const third = await w.run()
    const log = sourceOf(w.lineage)
    for (const { id, permit } of [first, second, third]) {
      const entries = await collectEntries(log, id, permit)
      expect(types(entries)).toEqual(ORDER)
      expect(await findPermit(log, id)).toBe(permit)
      for (const { event } of entries) if ('executionId' in event) expect(event.executionId).toBe(id)
    }
    const runs = await Promise.all(
      [first, second, third].map(async ({ id, permit }) => {
        const hinted = await collectEntries(log, id, permit, { run: 0n })
        return [await collectEntries(log, id, permit), hinted].map(
          entries => entries.find(({ event }) => event.type === 'daemon-start')?.index,
        )
      }),
    )
    // A hint is the start of the newest run; of an earlier one nobody gives it.
    expect(runs.map(([found]) => found)).toEqual([2, 2, runs[2]?.[0]])
    expect(runs[2]?.[0]).toBeGreaterThan(Number(second.permit))
    expect(runs.slice(0, 2).map(([, hinted]) => hinted)).toEqual([2, 2])
  })

  test('are refused of what is none, never ran, or has not ended', async () => {
    const w = await begun()
    const { id, permit } = await w.run()
    const log = sourceOf(w.lineage)
    const other = 'f'.repeat(32)
    await expect(collectEntries(log, other, permit)).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    await expect(collectEntries(log, id, permit + 1n)).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    await expect(collectEntries(log, id, 10_000n)).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    await expect(findPermit(log, other)).rejects.toMatchObject({ code: 'ENTRY_MISSING' })
    const cut = (least: LineageEvent['type']) => ({
      ...log,
      readEntries: async (from: bigint, to: bigint) =>
        (await log.readEntries(from, to)).map(entry =>
          entry.bytes.includes(`"type":"${least}"`) ? { ...entry, bytes: Buffer.from('{}') } : entry,
        ),
      get size() {
        return w.lineage.size
      },
    })
    await expect(collectEntries(cut('execution-end'), id, permit)).rejects.toMatchObject({
      code: 'NOT_ENDED',
    })
    await expect(collectEntries(cut('execution-start'), id, permit)).rejects.toMatchObject({
      code: 'NOT_STARTED',
    })
    const stop = AbortSignal.abort(new Error('nobody waits'))
    await expect(collectEntries(log, id, permit, { signal: stop })).rejects.toThrow('nobody waits')
  })
})

describe('a story', () => {
  let entries: Numbered[]
  let others: Numbered[]
  const blob = async (): Promise<Buffer> => {
    throw new Error('every blob is in its entry')
  }
  beforeEach(async () => {
    const w = await begun()
    const [first, second] = [await w.run(), await w.run()]
    const log = sourceOf(w.lineage)
    entries = await collectEntries(log, first.id, first.permit)
    others = await collectEntries(log, second.id, second.permit)
  })
  const of = <T extends LineageEvent['type']>(type: T, from = entries) => {
    const entry = from.find(({ event }) => event.type === type) ?? expect.fail(`no ${type}`)
    return entry as Numbered<LineageEvent & { type: T }>
  }
  /** The entries with one that says something else. */
  const with_ = <T extends LineageEvent['type']>(
    type: T,
    change: Partial<LineageEvent & { type: T }>,
    index?: number,
  ) => {
    const old = of(type)
    const changed = { index: index ?? old.index, event: { ...old.event, ...change } as LineageEvent }
    return entries.map(entry => (entry === old ? changed : entry)).sort((a, b) => a.index - b.index)
  }
  const extra = (index: number, event: object) =>
    [...entries, { index, event: { ...of('execution-end').event, ...event } as LineageEvent }].sort(
      (a, b) => a.index - b.index,
    )

  test('makes the same statement, byte by byte, each time', async () => {
    const make = async () => statementBytes(statementOf(await readStory(entries, blob)))
    expect((await make()).equals(await make())).toBe(true)
    const schema = allSchemas().get('execution-receipt-v1.schema.json') ?? expect.fail('no schema')
    const statement = JSON.parse(String(await make()))
    expect(isValid(schema, statement)).toBe(true)
    expect(isValid(schema, { ...statement, predicate: { ...statement.predicate, end: {} } })).toBe(false)
    const { predicate } = JSON.parse(String(await make()))
    expect(predicate.policy.document).toMatchObject({ entry: 1, version: 1 })
    expect(predicate.trustRoots.document).toMatchObject({ entry: 0, version: 1 })
  })

  test('takes what is between START and END, in its order', async () => {
    const w = await begun()
    const { id, permit } = await w.run()
    const all = await collectEntries(sourceOf(w.lineage), id, permit)
    const end = all.at(-1) ?? expect.fail('no end')
    const start = all.at(-2) ?? expect.fail('no start')
    const common = {
      v: 1,
      time: '2026-11-21T02:00:00.000Z',
      bootNs: '9',
      executionId: id,
      decision: Number(permit),
    } as const
    const between: Numbered[] = [
      { index: start.index + 1, event: { ...common, type: 'freeze', cause: 'LAPSE' } },
      { index: start.index + 2, event: { ...common, type: 'kill-sent', cause: 'GRACE' } },
    ]
    const story = await readStory([...all.slice(0, -1), ...between, { ...end, index: end.index + 2 }], blob)
    expect(statementOf(story).predicate.between).toMatchObject([
      { entry: start.index + 1, type: 'freeze', cause: 'LAPSE' },
      { entry: start.index + 2, type: 'kill-sent', cause: 'GRACE' },
    ])
    const goesOn = (outcome: 'permit' | 'deny', renewal: number): Numbered[] => {
      const permit = all.find(({ event }) => event.type === 'decision')?.event
      return [
        ...all.slice(0, -1),
        { index: start.index + 1, event: { ...permit, type: 'renewal', outcome } as unknown as LineageEvent },
        { index: start.index + 2, event: { ...common, type: 'thaw', renewal, epoch: 2 } as LineageEvent },
        { ...end, index: end.index + 2 },
      ]
    }
    const ahead = start.index + 1
    expect((await readStory(goesOn('permit', ahead), blob)).between.length).toBe(2)
    const [other, twice] = [goesOn('permit', ahead), goesOn('permit', ahead)]
    const thawed = other.findIndex(({ event }) => event.type === 'thaw')
    Object.assign(other[thawed - 1]?.event ?? {}, { artifact: 'ee'.repeat(32) })
    twice.splice(thawed + 1, 0, { ...(twice[thawed] as Numbered), index: start.index + 2.5 })
    for (const forged of [other, twice])
      await expect(readStory(forged, blob)).rejects.toThrow('without a decision that permits')
    for (const [outcome, renewal] of [
      ['deny', ahead],
      ['permit', ahead + 1],
      ['permit', Number(permit)],
    ] as const)
      await expect(readStory(goesOn(outcome, renewal), blob)).rejects.toThrow(
        'without a decision that permits',
      )
    const [freeze] = between
    // It stood still once more, or was denied, after the decision.
    for (const type of ['freeze', 'hand-over', 'renewal'] as const) {
      const entries = goesOn('permit', ahead)
      const found =
        type === 'renewal' ? { ...entries[thawed - 1]?.event, outcome: 'deny' } : { ...common, type }
      entries.splice(thawed, 0, { index: ahead + 0.5, event: found as LineageEvent })
      await expect(readStory(entries, blob)).rejects.toThrow('without a decision that permits')
    }
    const late = { ...freeze, index: end.index + 3 } as Numbered
    await expect(readStory([...all, late], blob)).rejects.toThrow('between START and END')
    const foreign = { index: start.index + 1, event: { ...freeze?.event, decision: 1 } } as Numbered
    await expect(
      readStory([...all.slice(0, -1), foreign, { ...end, index: end.index + 2 }], blob),
    ).rejects.toThrow('another permit')
  })

  test('is told by no other entries', async () => {
    const decision = of('decision')
    const { links } = decision.event
    const appraisal = of('appraisal')
    const { subjects } = of('execution-start').event
    const cases: [string, Numbered[]][] = [
      ['no entry of type execution-end', entries.filter(entry => entry.event.type !== 'execution-end')],
      ['2 entries of type execution-end', [...entries, of('execution-end', others)]],
      [
        'not a permit of the execution',
        [...entries.filter(entry => entry !== decision), of('decision', others)],
      ],
      ['not a permit of the execution', with_('decision', { outcome: 'deny' })],
      ['does not belong to it', extra(900, { type: 'counter', value: '7' })],
      ['does not belong to it', [...entries, of('execution-start', others)]],
      ['does not come after it', with_('policy', {}, 900)],
      ['does not come after it', with_('trust-roots', {}, 900)],
      ['not that of the permit', with_('execution-start', { decision: 0 })],
      ['not that of the permit', with_('execution-start', {}, 0.5)],
      ['does not come after the START', with_('execution-end', {}, of('execution-start').index - 0.5)],
      ['the END is not that of the permit', with_('execution-end', { decision: 0 })],
      ['not seen to be dead', with_('execution-end', { confirmedDead: false })],
      ['on another host', with_('daemon-start', { hostId: `000b${'cd'.repeat(32)}` })],
      [
        'another run of the daemon',
        with_('daemon-start', { sessionKeySpki: Buffer.alloc(44).toString('base64') }),
      ],
      ['another run of the daemon', with_('daemon-start', {}, appraisal.index + 0.5)],
      ['rests on another appraisal', with_('appraisal', {}, appraisal.index + 0.5)],
      ['the appraisal failed', with_('appraisal', { verdict: 'fail' })],
      ['another document', with_('policy', { blob: '0'.repeat(64) })],
      ['another document', with_('trust-roots', { blob: '0'.repeat(64) })],
      ['another document', entries.filter(({ event }) => event.type !== 'policy')],
      ['another document', entries.filter(({ event }) => event.type !== 'trust-roots')],
      ['another document', with_('policy', {}, 1.5)],
      ['another appraisal', with_('decision', { links: { ...links, appraisal: 0 } })],
      ['another START of the parent', with_('decision', { links: { ...links, parent: 0 } })],
      ['name another parent', with_('execution-start', { parent: 'a'.repeat(32) })],
      [
        'name another parent',
        with_('decision', { caller: { ...decision.event.caller, parent: 'a'.repeat(32) } }),
      ],
      [
        'rests on another appraisal',
        entries.map(entry => {
          if (entry === decision)
            return { ...entry, event: { ...decision.event, links: { ...links, appraisal: null } } }
          return entry === appraisal ? { ...entry, index: entry.index + 0.5 } : entry
        }),
      ],
      ['other bytes', with_('execution-start', { subjects: [] })],
      ['other bytes', with_('execution-start', { subjects: ['0'.repeat(64), ...subjects.slice(1)] })],
      ['other bytes', with_('execution-start', { subjects: ['0'.repeat(64)] })],
      [
        'other bytes',
        with_('execution-start', { subjects: [...of('execution-start').event.subjects, '0'.repeat(64)] }),
      ],
    ]
    for (const [message, changed] of cases)
      await expect(readStory(changed, blob), message).rejects.toThrow(message)
    const record = '0'.repeat(64)
    await expect(readStory(with_('decision', { record }), blob)).rejects.toThrow('every blob')
    const theirs = of('decision', others).event
    await expect(
      readStory(with_('decision', { record: theirs.record, inline: theirs.inline }), blob),
    ).rejects.toThrow("decision's record")
  })

  test('is told by no part of the entries of two executions but by all of one', async () => {
    const all = [...new Map([...entries, ...others].map(entry => [entry.index, entry])).values()].sort(
      (a, b) => a.index - b.index,
    )
    const told: number[][] = []
    for (let subset = 0; subset < 2 ** all.length; subset++) {
      const chosen = all.filter((_, i) => subset & (1 << i))
      const story = await readStory(chosen, blob).catch(() => null)
      if (story !== null) told.push(chosen.map(({ index }) => index))
    }
    expect(told.length).toBe(2)
    expect(told).toEqual(
      expect.arrayContaining([entries, others].map(list => list.map(({ index }) => index))),
    )
  })
})
