import { parseRecord, Reevaluator, type RevocationSet } from '../../authorization/index.ts'
import { canonicalJsonBytes } from '../../encoding/json.ts'
import type { PublicKey } from '../../signing/key.ts'
import type { ReadBlob } from './documents.ts'
import { DroppedEntries } from './dropped-entries.ts'
import type { LogState } from './log-state.ts'
import { OldLeases } from './old-leases.ts'
import { RevokedRuns } from './revoked-runs.ts'
import { atEntry, type EventOf, type Holds, type LogEntry, type NotLookedAt, StepFailure } from './steps.ts'
import { RECORDED_MS } from './timeline.ts'

/** Causes that only an execution that was let run can end for. */
const RAN: ReadonlySet<string> = new Set(['EXITED', 'RUN_TIME', 'CPU_TIME', 'OUTPUT_LIMIT'])

/**
 * Nothing ran that had lapsed before its START. The START is recorded before everything is looked at once more and the first
 * instruction, so the entry of a START may come after what forbids it; then the execution has to have ended without running by itself. And nothing runs on that
 * was revoked after its START.
 */
export async function checkLapsed(
  entries: readonly LogEntry[],
  operators: readonly PublicKey[],
  blob: ReadBlob,
  state: LogState,
): Promise<Holds | NotLookedAt> {
  const dropped = new DroppedEntries()
  const ends = new Map<string, EventOf<'execution-end'>>()
  for (const { event } of entries) if (event.type === 'execution-end') ends.set(event.executionId, event)
  const oldLeases = new OldLeases(blob, dropped)
  const revokedRuns = new RevokedRuns(operators, blob, dropped)
  let late = 0
  let revokedMs = 0
  for (const entry of entries) {
    await atEntry(entry.index, async () => {
      await state.apply(entry)
      await oldLeases.apply(entry, state, entries)
      await revokedRuns.apply(entry, state, entries)
      const { event } = entry
      if (event.type === 'revocation') revokedMs = Date.parse(event.time)
      const isRevoked = (decision: number) =>
        dropped.unless(entry.index, () =>
          revoked(decision, entries, operators, blob, state.revocations.newest),
        )
      const end = 'executionId' in event ? ends.get(event.executionId ?? '') : undefined
      const openMs = Date.parse(entries.at(-1)?.event.time ?? event.time) - Date.parse(event.time)
      if (event.type === 'thaw' || event.type === 'adoption') {
        checkGoesOn(entry.index, event, state, entries)
        const why = await isRevoked(event.renewal)
        if (why == null) return
        // What is kept may end by itself, under the lease that it had.
        const ran = event.type === 'thaw' && end !== undefined && RAN.has(end.cause)
        const isLate = Date.parse(event.time) > revokedMs + RECORDED_MS
        if (isLate || ran || (end === undefined && openMs > RECORDED_MS))
          throw new StepFailure(`${NAMES[event.type]}, and ${why}`)
      }
      if (event.type !== 'execution-start') return
      const why = closedGate(event, state) ?? (await isRevoked(event.decision))
      if (why == null) return
      late++
      if (end === undefined ? openMs > RECORDED_MS : RAN.has(end.cause))
        throw new StepFailure(`a START, and ${why}`)
    })
  }
  return dropped.result(`${late} stopped before the first instruction`)
}

/** What goes on by an entry, after a lapse or in the hands of another run. */
type GoesOn = EventOf<'thaw'> | EventOf<'adoption'>

const NAMES = { 'execution-start': 'a START', thaw: 'a thaw', adoption: 'an adoption' } as const

/** Why the gate forbids this START, thaw or adoption; a throw when it cannot even have been on its way when the gate closed. */
function closedGate(event: EventOf<'execution-start'> | GoesOn, { gate }: LogState): string | null {
  const { state, epoch, sinceMs } = gate.newest
  if (state === 'ATTESTED' && epoch === event.epoch) return null
  const why = `the gate was ${state} in epoch ${epoch}, it is of epoch ${event.epoch}`
  if (Date.parse(event.time) > sinceMs + RECORDED_MS)
    throw new StepFailure(`${NAMES[event.type]}, and ${why}`)
  return why
}

/**
 * A thaw or an adoption is recorded before the gate is looked at once more: one that came too late left it frozen or kept, to be let go on anew, or to
 * end. What was frozen cannot have ended by itself; what is kept runs, under the lease that it had.
 */
function checkGoesOn(index: number, goesOn: GoesOn, state: LogState, entries: readonly LogEntry[]): void {
  const why = closedGate(goesOn, state)
  if (why === null || goesOn.type === 'adoption') return
  const next = entries.find(
    ({ index: at, event }) =>
      at > index && 'executionId' in event && event.executionId === goesOn.executionId,
  )?.event
  if (next?.type === 'execution-end' && RAN.has(next.cause)) throw new StepFailure(`a thaw, and ${why}`)
}

/** Makes a decision again, with the revocations that the log has before what rests on it. */
async function revoked(
  decision: number,
  entries: readonly LogEntry[],
  operators: readonly PublicKey[],
  blob: ReadBlob,
  revocations: RevocationSet,
): Promise<string | null> {
  const permit = entries[decision]?.event
  if (permit?.type !== 'decision' && permit?.type !== 'renewal') throw new StepFailure('it names no decision')
  const record = parseRecord(await blob(permit.record))
  if (record.inputs === null || record.inputs.revocations === revocations.digest) return null
  const reevaluator = new Reevaluator(blob, { governance: operators })
  reevaluator.knows(revocations)
  const inputs = { ...record.inputs, revocations: revocations.digest }
  const { expected } = await reevaluator.reevaluate(canonicalJsonBytes({ ...record, inputs }))
  return parseRecord(expected).outcome === 'deny' ? 'what it runs was revoked' : null
}
