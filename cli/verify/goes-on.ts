import { type DecisionRecord, parseRecord } from '../../authorization/index.ts'
import { canonicalJson } from '../../encoding/json.ts'
import type { ReadBlob } from './documents.ts'
import { type EventOf, type LogEntry, StepFailure } from './steps.ts'

/** What a decision to go on has in common with the permit: who asked, for what, with which artifact, and what its files were. */
function what({ inputs }: DecisionRecord): string {
  if (inputs === null) return ''
  const { caller, artifact, observed, request } = inputs
  return canonicalJson({ caller, artifact, observed, request: { ...request, operation: 'continue' } })
}

/**
 * What goes on is what was permitted: the decision that a thaw or an adoption names was made on the same, and in the opening of the gate that it goes on in.
 *
 * @param permit entry of the permit
 * @throws StepFailure
 */
export async function checkRenewed(
  event: EventOf<'thaw'> | EventOf<'adoption'>,
  permit: number,
  entries: readonly LogEntry[],
  blob: ReadBlob,
): Promise<void> {
  const [permitted, renewed] = [entries[permit]?.event, entries[event.renewal]?.event]
  if (permitted?.type !== 'decision' || renewed?.type !== 'renewal')
    throw new StepFailure(`a ${event.type} without a decision`)
  const record = parseRecord(await blob(renewed.record))
  if (record.inputs?.gate.epoch !== event.epoch)
    throw new StepFailure(`a ${event.type} on a decision of another epoch of the gate`)
  if (what(record) !== what(parseRecord(await blob(permitted.record))))
    throw new StepFailure(`a ${event.type} on a decision about something else than was permitted`)
}
