import type { LogState } from './log-state.ts'
import { atEntry, type Holds, type LogEntry, type NotLookedAt, StepFailure } from './steps.ts'

/** The gate opened only on what had passed, closed on what had failed, and every transition follows from the one before. */
export async function checkTransitions(
  entries: readonly LogEntry[],
  state: LogState,
): Promise<Holds | NotLookedAt> {
  let transitions = 0
  for (const entry of entries) {
    await atEntry(entry.index, async () => {
      const fault = await state.apply(entry)
      if (fault !== null) throw new StepFailure(fault)
    })
    if (entry.event.type === 'trust-transition') transitions++
  }
  return state.dropped.result(`${transitions} transitions, the gate is ${state.gate.newest.state}`)
}

/** FAILED is left by the operator's word; by itself only if the person who verifies accepts that. */
export async function checkRecovery(
  entries: readonly LogEntry[],
  state: LogState,
  allowed: boolean,
): Promise<Holds> {
  for (const entry of entries) await atEntry(entry.index, () => state.apply(entry))
  const { recovered, cleared } = state
  if (recovered[0] !== undefined && !allowed) {
    throw new StepFailure(
      `entry ${recovered[0]}: FAILED was left without an operator (${recovered.length} times in all; --allow-recovery accepts it)`,
    )
  }
  const itself =
    recovered.length === 0 ? '' : `, recovered by itself ${recovered.length} times, as configured`
  return { detail: `cleared by the operator ${cleared} times${itself}` }
}
