import { expect, test } from 'vitest'
import type { LogState } from '../../cli/verify/log-state.ts'
import { checkRetention } from '../../cli/verify/retention.ts'
import type { LogEntry } from '../../cli/verify/steps.ts'
import { Timeline } from '../../cli/verify/timeline.ts'
import type { LineageEvent } from '../../lineage/index.ts'

const ID = 'ab'.repeat(16)
const DAY = 86_400_000

/** What the check looks at of an event; the time in hours. */
type Said = { readonly type: LineageEvent['type']; readonly at: number } & Record<string, unknown>

function check(minAgeMs: number | null, ...events: Said[]) {
  const entries = events.map(({ at, ...event }, index): LogEntry => {
    const time = new Date(Date.parse('2026-11-01T00:00:00.000Z') + at * 3_600_000).toISOString()
    return { index, event: { ...event, time } as unknown as LineageEvent }
  })
  const facts = { minting: false, maxEvidenceAgeMs: 30_000, evidenceMinAgeMs: minAgeMs }
  const state = { apply: async () => null, config: new Timeline(facts, 0) } as unknown as LogState
  return checkRetention(entries, state)
}

const drop = (at: number, before: number, ...digests: string[]): Said => ({
  type: 'evidence-dropped',
  ...{ at, before, digests, bytes: 4096 * digests.length },
})
const permit = (at: number, record: string): Said => ({
  type: 'decision',
  ...{ at, outcome: 'permit', executionId: ID, record, inputs: [`artifact of ${record}`], inline: {} },
})
const plain = (at: number): Said => ({ type: 'counter', at })

test('what an execution runs by is needed from its START to its END, renewals and artifacts included', async () => {
  const start: Said = { type: 'execution-start', at: 1, executionId: ID }
  const renewal = { ...permit(2, 'renewed'), type: 'renewal' } as Said
  const end: Said = { type: 'execution-end', at: 3, executionId: ID }
  for (const digest of ['record', 'artifact of record', 'renewed', 'artifact of renewed'])
    await expect(check(0, permit(0, 'record'), start, renewal, drop(4, 3, digest))).rejects.toThrow(
      'runs by it',
    )
  const { detail } = await check(0, permit(0, 'record'), start, renewal, end, drop(4, 3, 'record', 'renewed'))
  expect(detail).toContain('2 blobs of entries before 3')
})

test('no entry before the point that a dropping speaks of is younger than configured, whatever its own clock said', async () => {
  expect((await check(DAY, plain(0), plain(24), drop(47, 1, 'x'))).detail).toContain('1 blobs')
  await expect(check(DAY, plain(0), plain(24), drop(47, 2, 'x'))).rejects.toThrow('kept for 1 days')
  // Of a clock that was far ahead, or far behind.
  expect((await check(DAY, plain(0), plain(9999), drop(47, 2, 'x'))).detail).toContain('1 blobs')
  await expect(check(DAY, plain(40), plain(-9999), drop(47, 2, 'x'))).rejects.toThrow('kept for 1 days')
  // What lay in the future once does not for ever.
  await expect(check(DAY, plain(0), plain(60), drop(47, 2, 'x'), drop(70, 2, 'y'))).rejects.toThrow('entry 3')
  await expect(check(null, plain(0), drop(47, 1, 'x'))).rejects.toThrow('no configuration')
})

test('droppings go on in the order of the log', async () => {
  await expect(check(0, plain(0), drop(1, 2, 'x'))).rejects.toThrow('out of the order')
  await expect(check(0, plain(0), plain(0), drop(1, 2, 'x'), drop(1, 1, 'y'))).rejects.toThrow(
    'out of the order',
  )
  expect((await check(0, plain(0))).detail).toBe('none was')
})
