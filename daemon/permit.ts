import type { Decision, DecisionInput, ObservedSubject } from '../authorization/index.ts'

/** A request that was permitted, durably. */
export interface Permit {
  readonly input: DecisionInput
  readonly decision: Decision
  readonly index: bigint
  /** What was found at each path that was opened. */
  readonly observed: readonly ObservedSubject[] | null
}
