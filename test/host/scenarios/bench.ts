import type { Machine } from '../machine.ts'
import type { Steps } from '../steps.ts'

/** What a scenario works with. */
export interface Bench {
  readonly steps: Steps
  /** Off, and this scenario's own. */
  readonly machine: Machine
}
