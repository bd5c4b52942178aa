import { describe, expect, test } from 'vitest'
import { checkExecutions } from '../../cli/verify/executions.ts'
import type { Holds, LogEntry } from '../../cli/verify/steps.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import { decide } from '../authorization/scenario.ts'

const ID = 'ab'.repeat(16)
const { record, terms } = decide()
const subjects = [terms?.program, ...(terms?.files ?? [])].map(file => file?.sha256 ?? '')

/** What the check looks at of each kind of entry. */
const EVENTS = {
  permit: { type: 'decision', outcome: 'permit', executionId: ID, record: 'r' },
  start: { type: 'execution-start', executionId: ID, decision: 0, subjects },
  freeze: { type: 'freeze', executionId: ID, decision: 0 },
  allowed: { type: 'renewal', outcome: 'permit', executionId: ID },
  denied: { type: 'renewal', outcome: 'deny', executionId: ID },
  end: { type: 'execution-end', executionId: ID, decision: 0, confirmedDead: true },
  'end of another': { type: 'execution-end', executionId: ID, decision: 1, confirmedDead: true },
  'freeze of another': { type: 'freeze', executionId: ID, decision: 1 },
  'kill of another': { type: 'kill-sent', executionId: ID, decision: 1 },
}
type Step = keyof typeof EVENTS | `thaw ${number}`

async function check(...steps: Step[]): Promise<Holds> {
  const entries = steps.map((step, index): LogEntry => {
    const renewal = /^thaw (.*)/.exec(step)?.[1]
    const event =
      renewal !== undefined
        ? { type: 'thaw', executionId: ID, renewal: Number(renewal) }
        : EVENTS[step as keyof typeof EVENTS]
    return { index, event: event as unknown as LineageEvent } as LogEntry
  })
  return (await checkExecutions(entries, async () => record)) as Holds
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
