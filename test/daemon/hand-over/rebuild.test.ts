import { beforeEach, describe, expect, test } from 'vitest'
import { type ReadableLog, rebuild } from '../../../daemon/hand-over/rebuild.ts'
import type { OpenExecution } from '../../../daemon/history/history.ts'
import { sha256Hex } from '../../../encoding/digest.ts'
import { encodeEvent, inlineBlob, type LineageEvent, parseEvent } from '../../../lineage/index.ts'
import { permit, running } from '../support/executions.ts'
import { type World, world } from '../support/world.ts'

/** A log in which one of the entries was put in the place of another, with a blob that was not there. */
function altered(log: ReadableLog, at: bigint, event: LineageEvent, blob: Buffer | null): ReadableLog {
  return {
    entry: async index => (index === at ? encodeEvent(event) : await log.entry(index)),
    getBlob: async digest => (blob !== null && sha256Hex(blob) === digest ? blob : await log.getBlob(digest)),
  }
}

describe('an execution that is read from the log', () => {
  let w: World
  let open: OpenExecution
  const eventAt = async <T extends LineageEvent['type']>(index: bigint | null, _type: T) =>
    parseEvent(await w.lineage.entry(index ?? 0n)) as Extract<LineageEvent, { type: T }>

  beforeEach(async () => {
    w = await world()
    const { id: executionId } = await running(w)
    const decision = w.registry.get(executionId)?.decisionIndex ?? 0n
    await w.recorder.record({
      ...{ type: 'hand-over', executionId, decision: Number(decision), over: 'restart' },
      ...{ attach: 'ab'.repeat(32), stdinBytes: 3, outputBytes: 5, inputEnded: true, children: null },
    })
    const types = (await w.events()).map(({ type }) => type)
    const [start, handOver] = [types.indexOf('execution-start'), types.indexOf('hand-over')]
    open = { executionId, decision, start: BigInt(start), handOver: BigInt(handOver) } as OpenExecution
  })

  test('has its permit, its caller and where its streams were', async () => {
    const { origin } = w.registry.get(open.executionId) ?? {}
    const { permit, caller, kept, pid } = await rebuild(w.lineage, open)
    expect(permit.decision.record).toEqual(origin?.permit.decision.record)
    expect(permit.decision.terms).toEqual(origin?.permit.decision.terms)
    expect(caller).toMatchObject({
      uid: 1000,
      gid: 1000,
      parentExecution: null,
      governor: false,
      auditor: false,
    })
    expect(kept).toMatchObject({ before: { stdinBytes: 3, outputBytes: 5, inputEnded: true } })
    expect(pid).toBe(77)
  })

  const record = async () => {
    const event = await eventAt(open.decision, 'decision')
    const bytes = inlineBlob(event, event.record) ?? (await w.lineage.getBlob(event.record))
    return { event, text: Buffer.from(bytes).toString() }
  }

  test.each([
    ['another caller', /"uid":1000/, '"uid":0', 'RECORD_MALFORMED'],
    ['another execution', /"executionId":"[0-9a-f]{2}/, '"executionId":"00', 'EVENT_INVALID'],
    ['another outcome', /"permit"/, '"deny"', 'RECORD_MALFORMED'],
    ['another program', /"--digits"/, '"--digitz"', 'RECORD_MALFORMED'],
  ])('is refused when its record was changed: %s', async (_, from, to, code) => {
    const { event, text } = await record()
    const other = Buffer.from(text.replace(from, to))
    expect(String(other)).not.toBe(text)
    const log = altered(w.lineage, open.decision, { ...event, record: sha256Hex(other) }, other)
    await expect(rebuild(log, open)).rejects.toMatchObject({ code })
  })

  test('is refused when the bytes of its record are not those that the entry names', async () => {
    const { event, text } = await record()
    const other = Buffer.from(text.replace('"uid":1000', '"uid":1001'))
    const inline = { ...event.inline, [event.record]: other.toString('base64') }
    await expect(
      rebuild(altered(w.lineage, open.decision, { ...event, inline }, null), open),
    ).rejects.toMatchObject({ code: 'BLOB_DAMAGED' })
  })

  test('is refused when its record is that of another execution', async () => {
    const other = await permit(w)
    const stranger = await eventAt(other.index, 'decision')
    const renamed = { ...stranger, executionId: open.executionId }
    await expect(rebuild(altered(w.lineage, open.decision, renamed, null), open)).rejects.toMatchObject({
      message: 'the record is that of another execution',
    })
  })

  test.each(['start', 'handOver'] as const)(
    'is refused when its %s names another permit, or is none',
    async which => {
      const at = open[which] ?? 0n
      const event = (await eventAt(at, 'hand-over')) as LineageEvent
      const other = { ...event, decision: Number(open.decision) + 1 } as LineageEvent
      await expect(rebuild(altered(w.lineage, at, other, null), open)).rejects.toMatchObject({
        message: 'its entries name different permits',
      })
      await expect(rebuild(w.lineage, { ...open, [which]: null })).rejects.toMatchObject({
        code: 'EVENT_INVALID',
      })
      await expect(rebuild(w.lineage, { ...open, [which]: open.decision })).rejects.toMatchObject({
        code: 'EVENT_INVALID',
      })
    },
  )
})
