import type { Decision, DecisionInput, ObservedSubject } from '../authorization/index.ts'
import type { Prepared } from './launcher/types.ts'
import type { OpenSecrets } from './secrets.ts'

/** A request that was permitted. Whether that is durable yet is not said here. */
export interface Decided {
  readonly input: DecisionInput
  readonly decision: Decision
  /** What was found at each path that was opened. */
  readonly observed: readonly ObservedSubject[] | null
  /** The artifact's secrets, opened, if it has any and is to be run; open only until it is made ready. */
  readonly secrets?: OpenSecrets | null
}

/** A request that was permitted, durably. */
export interface Permit extends Decided {
  readonly index: bigint
}

/** A permit to run something, which may have been made ready while the permit became durable. */
export interface RunPermit extends Permit {
  readonly ahead?: Promise<Prepared> | undefined
}
