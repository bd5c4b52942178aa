import { type ClockHistory, parseQuoteAttest } from '../../attestation/index.ts'
import { CompactRange, encodeEvent, leafHash, parseCarried } from '../../lineage/index.ts'
import type { ReadBlob } from './documents.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, StepFailure } from './steps.ts'

/** What appraisals go on with in a log that took another's place: what ran there, and the newest quote. */
export async function goneOnWith(
  { carried, attest }: EventOf<'epoch'>,
  blob: ReadBlob,
): Promise<{ readonly governed: readonly string[]; readonly history: ClockHistory | null }> {
  const { governed } = parseCarried(await blob(carried))
  if (attest === null) return { governed, history: null }
  const { clock, firmwareVersion } = parseQuoteAttest(await blob(attest))
  const { resetCount, restartCount } = clock
  return { governed, history: { clock: clock.clock, resetCount, restartCount, firmwareVersion } }
}

/**
 * Before a log that took another's place permitted anything, an operator accepted it: exactly the entries that were there then, the commitment to
 * the old log first among them. Who signed is looked at with the transitions.
 */
export async function checkAcceptance(entries: readonly LogEntry[]): Promise<Holds> {
  const first = entries[0]?.event
  const wanted = new Set(
    entries.flatMap(({ event }) => (event.type === 'epoch-accepted' ? [event.tail] : [])),
  )
  if (first?.type !== 'epoch') throw new StepFailure('an epoch is accepted in a log that begins none')
  const range = new CompactRange()
  const roots = new Map<number, string>()
  let accepted = 0
  for (const { index, event } of entries) {
    await atEntry(index, () => {
      if (event.type === 'epoch-accepted') {
        if (event.epoch !== first.epoch) throw new StepFailure(`it accepts epoch ${event.epoch}`)
        if (roots.get(event.tail) !== event.root)
          throw new StepFailure('it accepts another log than this one')
        accepted++
      } else if (
        accepted === 0 &&
        (event.type === 'counter' || event.type === 'checkpoint' || isPermit(event))
      )
        throw new StepFailure(`the log goes on (${event.type}) before an operator has accepted it`)
    })
    range.append(leafHash(encodeEvent(event)))
    if (wanted.has(range.size)) roots.set(range.size, range.root().toString('hex'))
  }
  if (accepted === 0) throw new StepFailure('no operator has accepted this epoch of the log')
  return { detail: `epoch ${first.epoch}, as it was found, by an operator's clearance` }
}

function isPermit(event: LogEntry['event']): boolean {
  return event.type === 'decision' && event.outcome === 'permit'
}
