import { parseRecord } from '../../authorization/index.ts'
import { parseCarried } from '../../lineage/index.ts'
import type { ReadBlob } from './documents.ts'
import { DroppedEntries } from './dropped-entries.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, type NotLookedAt, StepFailure } from './steps.ts'

/** Events that name the permit of their execution. */
const PERMITTED: ReadonlySet<string> = new Set(['execution-start', 'freeze', 'kill-sent', 'execution-end'])

/** One execution, as far as the log has got. */
interface Life {
  state: 'permitted' | 'started' | 'ended'
  frozen: boolean
  readonly permit: number
  /** The entry since its last freeze or thaw that says that it may go on. */
  renewal: number | null
}

/**
 * Each execution started once, under its permit, with the subjects that the permit saw; what was frozen went on only under a decision
 * that was made since; and what ended is confirmed dead.
 */
export async function checkExecutions(
  entries: readonly LogEntry[],
  blob: ReadBlob,
): Promise<Holds | NotLookedAt> {
  const dropped = new DroppedEntries()
  const lives = new Map<string, Life>()
  const before = new Set<string>()
  const count = { starts: 0, freezes: 0, thaws: 0 }
  for (const { index, event } of entries) {
    await atEntry(index, async () => {
      if (event.type === 'epoch') {
        for (const id of parseCarried(await blob(event.carried)).open) before.add(id)
        return
      }
      // What the log before this one left running: its permit and its START are there.
      if (event.type === 'execution-end' && before.delete(event.executionId)) {
        if (!event.confirmedDead) throw new StepFailure('an execution that was not confirmed dead')
        return
      }
      if (event.type === 'decision' && event.outcome === 'permit' && event.executionId !== null) {
        if (lives.has(event.executionId)) throw new StepFailure('a second permit of one execution')
        lives.set(event.executionId, { state: 'permitted', frozen: false, permit: index, renewal: null })
        return
      }
      const life = 'executionId' in event ? lives.get(event.executionId ?? '') : undefined
      // Whose an entry is is found by it.
      if (
        life !== undefined &&
        PERMITTED.has(event.type) &&
        'decision' in event &&
        event.decision !== life.permit
      )
        throw new StepFailure(`a ${event.type} that names another permit`)
      if (event.type === 'execution-start') {
        if (life?.state !== 'permitted') throw new StepFailure('a START without a permit of its own')
        await dropped.unless(index, () => compareSubjects(event, entries, blob))
        life.state = 'started'
        count.starts++
      } else if (event.type === 'execution-end') {
        if (life === undefined || life.state === 'ended')
          throw new StepFailure('an END without a permit, or a second one')
        if (!event.confirmedDead) throw new StepFailure('an execution that was not confirmed dead')
        life.state = 'ended'
      } else {
        hold(index, event, life, count)
      }
    })
  }
  const running = [...lives.values()].filter(({ state }) => state === 'started').length
  const { starts, freezes, thaws } = count
  const held = freezes === 0 ? '' : `; ${freezes} freezes, ${thaws} thaws, each permitted anew`
  return dropped.result(
    `${starts} started under a permit, ${starts - running} ended, ${running} still running${held}`,
  )
}

/** A thaw follows a freeze, and names the last permit to go on, which is younger than that. @throws StepFailure */
function hold(
  index: number,
  event: LogEntry['event'],
  life: Life | undefined,
  count: { freezes: number; thaws: number },
): void {
  if (event.type === 'freeze') {
    if (life === undefined || life.state === 'permitted') throw new StepFailure('a freeze of what never ran')
    life.frozen = true
    life.renewal = null
    count.freezes++
  } else if (event.type === 'renewal') {
    if (life === undefined || life.state === 'permitted')
      throw new StepFailure('a decision to go on, of what never ran')
    life.renewal = event.outcome === 'permit' ? index : null
  } else if (event.type === 'thaw') {
    if (life?.state !== 'started' || !life.frozen) throw new StepFailure('a thaw of what was not frozen')
    if (life.renewal === null || life.renewal !== event.renewal)
      throw new StepFailure('a thaw without a decision since the freeze that permits it')
    // It is recorded before the launcher is asked, which may refuse: then it is still frozen, and the next one needs a decision of its own.
    life.renewal = null
    count.thaws++
  }
}

async function compareSubjects(
  start: EventOf<'execution-start'>,
  entries: readonly LogEntry[],
  blob: ReadBlob,
): Promise<void> {
  const permit = entries[start.decision]?.event
  if (permit?.type !== 'decision') throw new StepFailure('a START that names no decision')
  const { terms } = parseRecord(await blob(permit.record))
  const permitted = terms === null ? [] : [terms.program.sha256, ...terms.files.map(file => file.sha256)]
  const same = new Set(start.subjects)
  if (
    permitted.length === 0 ||
    permitted.some(digest => !same.has(digest)) ||
    same.size !== new Set(permitted).size
  ) {
    throw new StepFailure('it started other bytes than were permitted')
  }
}
