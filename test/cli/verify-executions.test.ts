import { describe, expect, test } from 'vitest'
import { DroppedEntries } from '../../cli/verify/dropped-entries.ts'
import { checkExecutions } from '../../cli/verify/executions.ts'
import { OldLeases } from '../../cli/verify/old-leases.ts'
import type { Holds, LogEntry } from '../../cli/verify/steps.ts'
import { Timeline } from '../../cli/verify/timeline.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { decide } from '../authorization/scenario.ts'

const ID = 'ab'.repeat(16)
const { record, terms } = decide()
const { inputs, ...rest } = JSON.parse(record.toString())
const { epoch } = inputs.gate
/** Records of decisions, by the name that their entries have for them. */
const RECORDS: Record<string, Buffer> = {
  r: record,
  again: Buffer.from(
    JSON.stringify({ ...rest, inputs: { ...inputs, request: { ...inputs.request, operation: 'continue' } } }),
  ),
  'of another artifact': Buffer.from(
    JSON.stringify({
      ...rest,
      inputs: { ...inputs, artifact: { ...inputs.artifact, digest: 'cd'.repeat(32) } },
    }),
  ),
  'of another command': Buffer.from(
    JSON.stringify({ ...rest, inputs: { ...inputs, request: { ...inputs.request, argv: ['other'] } } }),
  ),
  'of another epoch': Buffer.from(
    JSON.stringify({ ...rest, inputs: { ...inputs, gate: { ...inputs.gate, epoch: epoch + 1 } } }),
  ),
}
const subjects = [terms?.program, ...(terms?.files ?? [])].map(file => file?.sha256 ?? '')

const ALLOWED = { type: 'renewal', outcome: 'permit', executionId: ID }

/** What the check looks at of each kind of entry. */
const EVENTS = {
  run: { type: 'daemon-start', bootId: 'a' },
  'run after a boot': { type: 'daemon-start', bootId: 'b' },
  permit: { type: 'decision', outcome: 'permit', executionId: ID, record: 'r' },
  start: { type: 'execution-start', executionId: ID, decision: 0, subjects },
  freeze: { type: 'freeze', executionId: ID, decision: 0 },
  allowed: { type: 'renewal', outcome: 'permit', executionId: ID, record: 'again' },
  'allowed with another artifact': { ...ALLOWED, record: 'of another artifact' },
  'allowed with another command': { ...ALLOWED, record: 'of another command' },
  'allowed in another epoch': { ...ALLOWED, record: 'of another epoch' },
  denied: { type: 'renewal', outcome: 'deny', executionId: ID },
  end: { type: 'execution-end', executionId: ID, decision: 0, confirmedDead: true },
  'hand-over': { type: 'hand-over', executionId: ID, over: 'restart', decision: 0 },
  'hand-over of another': { type: 'hand-over', executionId: ID, decision: 7, over: 'restart' },
  'end of another': { type: 'execution-end', executionId: ID, decision: 1, confirmedDead: true },
  'freeze of another': { type: 'freeze', executionId: ID, decision: 1 },
  'kill of another': { type: 'kill-sent', executionId: ID, decision: 1 },
}
type Step = keyof typeof EVENTS | `${'thaw' | 'adoption'} ${number}`

async function check(...steps: Step[]): Promise<Holds> {
  const entries = steps.map((step, index): LogEntry => {
    const [, type, renewal] = /^(thaw|adoption) (.*)/.exec(step) ?? []
    const event =
      type !== undefined
        ? {
            type,
            executionId: ID,
            epoch,
            renewal: Number(renewal),
            ...(type === 'adoption' && { decision: 0 }),
          }
        : EVENTS[step as keyof typeof EVENTS]
    // Those of its own permit, wherever that stands.
    const own = 'decision' in event && event.decision === 0 ? { decision: steps.indexOf('permit') } : {}
    return { index, event: { ...event, ...own } as unknown as LineageEvent } as LogEntry
  })
  return (await checkExecutions(entries, async name => RECORDS[name] ?? record)) as Holds
}

describe('what was frozen', () => {
  test('went on under a decision of its own, each time', async () => {
    const { detail } = await check(
      'permit',
      'start',
      'freeze',
      'allowed',
      'thaw 3',
      'freeze',
      'allowed',
      'thaw 6',
      'end',
    )
    expect(detail).toBe(
      '1 started under a permit, 1 ended, 0 still running; 2 freezes, 2 thaws, each permitted anew',
    )
    // A thaw that the launcher refused is followed by the next decision.
    await check('permit', 'start', 'freeze', 'allowed', 'thaw 3', 'allowed', 'thaw 5')
    await check('permit', 'start', 'freeze', 'denied', 'end')
  })

  test.each<[string, Step[], string]>([
    ['a thaw of what was not frozen', ['permit', 'start', 'allowed', 'thaw 2'], 'not frozen'],
    ['a thaw without a decision', ['permit', 'start', 'freeze', 'thaw 0'], 'without a decision'],
    ['a thaw on a denial', ['permit', 'start', 'freeze', 'denied', 'thaw 3'], 'without a decision'],
    [
      'a thaw on a permit before the freeze',
      ['permit', 'start', 'allowed', 'freeze', 'thaw 2'],
      'without a decision',
    ],
    [
      'two thaws on one decision',
      ['permit', 'start', 'freeze', 'allowed', 'thaw 3', 'thaw 3'],
      'without a decision',
    ],
    [
      'a thaw on a permit that a denial followed',
      ['permit', 'start', 'freeze', 'allowed', 'denied', 'thaw 3'],
      'without',
    ],
    ['a thaw after the end', ['permit', 'start', 'freeze', 'allowed', 'end', 'thaw 3'], 'not frozen'],
    ['a freeze before a start', ['permit', 'freeze'], 'never ran'],
    ['a decision to go on before a start', ['permit', 'allowed'], 'never ran'],
    ['an end that names another permit', ['permit', 'start', 'end of another'], 'another permit'],
    ['a freeze that names another permit', ['permit', 'start', 'freeze of another'], 'another permit'],
    ['a kill that names another permit', ['permit', 'start', 'kill of another'], 'another permit'],
  ])('%s is a failure', async (_, steps, message) => {
    await expect(check(...steps)).rejects.toThrow(message)
  })
})

describe('what a later run of the daemon took over', () => {
  /** It runs, and is handed over: entries 0 to 3. */
  const before: Step[] = ['run', 'permit', 'start', 'hand-over']

  test('went on under a decision of that run', async () => {
    const { detail } = await check(...before, 'run', 'allowed', 'adoption 5', 'hand-over', 'run', 'allowed')
    expect(detail).toBe(
      '1 started under a permit, 0 ended, 1 still running; 2 hand-overs, 1 adoptions, each permitted anew',
    )
    // Refused by the launcher, it stays kept: the next one rests on a decision of its own.
    await check(...before, 'run', 'allowed', 'adoption 5', 'allowed', 'adoption 7', 'end')
    await check(...before, 'run', 'denied', 'end')
    // A later run finds what the one between could not take over any more.
    await check(...before, 'run', 'run', 'allowed', 'adoption 6')
  })

  test.each<[string, Step[], string]>([
    ['nobody handed it over', ['run', 'permit', 'start', 'run', 'allowed', 'adoption 4'], 'no earlier run'],
    ['its own run handed it over', [...before, 'allowed', 'adoption 4'], 'no earlier run'],
    ['no decision', [...before, 'run', 'adoption 3'], 'without a decision of this run'],
    ['a denial', [...before, 'run', 'denied', 'adoption 5'], 'without a decision of this run'],
    [
      'a decision of the run before',
      [...before, 'allowed', 'run', 'adoption 4'],
      'without a decision of this',
    ],
    [
      'a decision that a denial followed',
      [...before, 'run', 'allowed', 'denied', 'adoption 5'],
      'without a decision of this run',
    ],
    [
      'one decision for two',
      [...before, 'run', 'allowed', 'adoption 5', 'adoption 5'],
      'without a decision of this run',
    ],
    [
      'it was adopted since',
      [...before, 'run', 'allowed', 'adoption 5', 'run', 'allowed', 'adoption 8'],
      'no earlier',
    ],
    [
      'a decision on another artifact',
      [...before, 'run', 'allowed with another artifact', 'adoption 5'],
      'something else',
    ],
    [
      'a decision on another command',
      [...before, 'run', 'allowed with another command', 'adoption 5'],
      'something else',
    ],
    [
      'a decision of another epoch',
      [...before, 'run', 'allowed in another epoch', 'adoption 5'],
      'another epoch',
    ],
    ['a boot in between', [...before, 'run after a boot', 'allowed', 'adoption 5'], 'over a boot'],
    ['it has ended', [...before, 'run', 'allowed', 'end', 'adoption 5'], 'did not run'],
    ['it was frozen', [...before, 'freeze', 'run', 'allowed', 'adoption 6'], 'did not run'],
  ])('an adoption is a failure: %s', async (_, steps, message) => {
    await expect(check(...steps)).rejects.toThrow(message)
  })

  test.each<[string, Step[], string]>([
    ['before its start', ['run', 'permit', 'hand-over'], 'did not run'],
    ['of what is frozen', ['run', 'permit', 'start', 'freeze', 'hand-over'], 'did not run'],
    ['that names another permit', ['run', 'permit', 'start', 'hand-over of another'], 'another permit'],
    ['by a run that never adopted it', [...before, 'run', 'hand-over'], 'had not taken it over'],
  ])('a hand-over is a failure: %s', async (_, steps, message) => {
    await expect(check(...steps)).rejects.toThrow(message)
  })
})

describe('the lease that something was kept under', () => {
  const HOSTS_AGE_MS = 20_000
  const OWN_AGE_MS = 12_000
  /** Each entry with its instant in seconds; a number is what the host lets evidence be old from then on, in milliseconds. */
  async function leases(own: number | null, ...events: [number, object | number][]): Promise<void> {
    const permit = Buffer.from(
      JSON.stringify({ ...rest, inputs, terms: { ...terms, maxEvidenceAgeMs: own } }),
    )
    const dropped = new DroppedEntries()
    const old = new OldLeases(async () => permit, dropped)
    const config = new Timeline({ maxEvidenceAgeMs: HOSTS_AGE_MS }, 0)
    const entries: object[] = [{ event: { type: 'decision', record: 'r' } }]
    for (const [at, event] of events) {
      if (typeof event === 'number') config.set({ maxEvidenceAgeMs: event }, at * 1000)
      else {
        const when = { time: new Date(at * 1000).toISOString(), bootNs: String(at * 1e9) }
        const entry = { index: entries.length, event: { executionId: ID, decision: 0, ...when, ...event } }
        entries.push(entry)
        await old.apply(entry as never, { config } as never, entries as never)
      }
    }
    expect(dropped.result('')).toEqual({ detail: '' })
  }
  const run = { type: 'daemon-start' }
  const good = { type: 'appraisal', verdict: 'pass' }
  const failed = { ...good, verdict: 'fail' }
  const start = { type: 'execution-start' }
  const handOver = { type: 'hand-over' }
  const adoption = { type: 'adoption' }
  type Events = [number, object | number][]
  /** Its evidence is of the second 2. */
  const kept: Events = [
    [1, run],
    [2, good],
    [3, start],
    [4, handOver],
  ]

  test('is that of the last good evidence of the run that handed it over', async () => {
    await leases(OWN_AGE_MS, ...kept, [5, good], [8, run], [9, good], [16, adoption])
    await leases(OWN_AGE_MS, ...kept, [8, run], [9, failed])
  })

  test('is of the age that was permitted, or that the host let it have when it started', async () => {
    await leases(null, ...kept, [28, run], [30, adoption])
    // What was configured when it was made ready may have been changed before its START.
    await leases(null, [1, run], [2, good], [2.5, 1000], ...kept.slice(2), [28, run], [30, adoption])
    await leases(null, ...kept, [28, 1000], [28, run], [30, adoption])
  })

  test.each<[string, number | null, Events]>([
    ['by evidence of the next run', OWN_AGE_MS, [...kept, [20, run], [24, good], [25, adoption]]],
    ['by evidence that was not good', OWN_AGE_MS, [...kept, [9, failed], [20, run], [25, adoption]]],
    ['over two runs', OWN_AGE_MS, [...kept, [8, run], [9, good], [20, run], [25, adoption]]],
    ['by what the host lets others have', OWN_AGE_MS, [...kept, [20, run], [30, adoption]]],
    [
      'by what is configured later',
      null,
      [...kept.slice(0, 3), [20, 3_600_000], [21, handOver], [40, run], [41, adoption]],
    ],
  ])('is not made longer %s', async (_, own, events) => {
    await expect(leases(own, ...events)).rejects.toThrow('after the lease that it was kept under')
  })
})
