import { parseRecord } from '../../authorization/index.ts'
import { parseCarried } from '../../lineage/index.ts'
import type { ReadBlob } from './documents.ts'
import { DroppedEntries } from './dropped-entries.ts'
import { checkRenewed } from './goes-on.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, type NotLookedAt, StepFailure } from './steps.ts'

/** Events that name the permit of their execution. */
const PERMITTED: ReadonlySet<string> = new Set([
  'execution-start',
  'freeze',
  'hand-over',
  'adoption',
  'kill-sent',
  'execution-end',
])

/** One execution, as far as the log has got. */
interface Life {
  state: 'permitted' | 'started' | 'ended'
  frozen: boolean
  readonly permit: number
  /** The entry since its last freeze, thaw or adoption, and of this run, that says that it may go on. */
  renewal: number | null
  /** The run that started it, or adopted it last: its own. */
  run: Run | null
  /** The run that handed it over last; null if none has, or another run has adopted it since. */
  handedOver: Run | null
}

/** One run of the daemon. */
interface Run {
  readonly index: number
  readonly bootId: string
}

interface Counts {
  starts: number
  freezes: number
  thaws: number
  handOvers: number
  adoptions: number
}

/**
 * Each execution started once, under its permit, with the subjects that the permit saw; what was frozen, or taken over from an earlier run of the
 * daemon, went on only under a decision that was made since; and what ended is confirmed dead.
 */
export async function checkExecutions(
  entries: readonly LogEntry[],
  blob: ReadBlob,
): Promise<Holds | NotLookedAt> {
  const dropped = new DroppedEntries()
  const lives = new Map<string, Life>()
  const before = new Set<string>()
  const count: Counts = { starts: 0, freezes: 0, thaws: 0, handOvers: 0, adoptions: 0 }
  let run: Run | null = null
  for (const { index, event } of entries) {
    await atEntry(index, async () => {
      if (event.type === 'epoch') {
        for (const id of parseCarried(await blob(event.carried)).open) before.add(id)
        return
      }
      if (event.type === 'daemon-start') {
        run = { index, bootId: event.bootId }
        // What a daemon decided is nothing that the next one may go on by.
        for (const life of lives.values()) {
          life.renewal = null
          // What was adopted is in nobody's hands any more unless it was handed over anew.
          if (life.run !== life.handedOver) life.handedOver = null
        }
        return
      }
      // What the log before this one left running: its permit and its START are there.
      if (event.type === 'execution-end' && before.delete(event.executionId)) {
        if (!event.confirmedDead) throw new StepFailure('an execution that was not confirmed dead')
        return
      }
      if (event.type === 'decision' && event.outcome === 'permit' && event.executionId !== null) {
        if (lives.has(event.executionId)) throw new StepFailure('a second permit of one execution')
        const { executionId } = event
        lives.set(executionId, {
          ...{ state: 'permitted', frozen: false, permit: index, renewal: null },
          ...{ run: null, handedOver: null },
        })
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
        life.run = run
        count.starts++
      } else if (event.type === 'execution-end') {
        if (life === undefined || life.state === 'ended')
          throw new StepFailure('an END without a permit, or a second one')
        if (!event.confirmedDead) throw new StepFailure('an execution that was not confirmed dead')
        life.state = 'ended'
      } else {
        hold(index, event, life, count)
        carry(event, life, run, count)
        if (life !== undefined && (event.type === 'thaw' || event.type === 'adoption'))
          await dropped.unless(index, () => checkRenewed(event, life.permit, entries, blob))
      }
    })
  }
  const running = [...lives.values()].filter(({ state }) => state === 'started').length
  const { starts, freezes, thaws, handOvers, adoptions } = count
  const held = freezes === 0 ? '' : `; ${freezes} freezes, ${thaws} thaws, each permitted anew`
  const carried =
    handOvers === 0 ? '' : `; ${handOvers} hand-overs, ${adoptions} adoptions, each permitted anew`
  return dropped.result(
    `${starts} started under a permit, ${starts - running} ended, ${running} still running${held}${carried}`,
  )
}

/** A thaw follows a freeze, and names the last permit to go on, which is younger than that. @throws StepFailure */
function hold(index: number, event: LogEntry['event'], life: Life | undefined, count: Counts): void {
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

/**
 * An adoption is of what ran and stood under a hand-over of an earlier run of this boot, and names the last permit to go on, which this run has
 * recorded. @throws StepFailure
 */
function carry(event: LogEntry['event'], life: Life | undefined, run: Run | null, count: Counts): void {
  if (event.type === 'hand-over') {
    if (life?.state !== 'started' || life.frozen) throw new StepFailure('a hand-over of what did not run')
    if (life.run !== run) throw new StepFailure('a hand-over by a run that had not taken it over')
    life.handedOver = run
    count.handOvers++
  } else if (event.type === 'adoption') {
    if (life?.state !== 'started' || life.frozen) throw new StepFailure('an adoption of what did not run')
    const from = life.handedOver
    if (from === null || run === null || from.index === run.index)
      throw new StepFailure('an adoption of what no earlier run handed over')
    if (from.bootId !== run.bootId) throw new StepFailure('an adoption over a boot, which nothing outlives')
    if (life.renewal === null || life.renewal !== event.renewal)
      throw new StepFailure('an adoption without a decision of this run that permits it')
    // The launcher may refuse: it then stays kept, and the next one needs a decision of its own.
    life.renewal = null
    life.run = run
    count.adoptions++
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
