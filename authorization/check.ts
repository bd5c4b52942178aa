import type { Evaluation } from './evaluation.ts'
import type { Reason } from './reason.ts'
import type { Stage } from './record.ts'

/** What a check held against what, in words for a person. Some of it comes from whoever sent the request or the artifact. */
export interface Compared {
  /** What was found, or asked for. */
  readonly found: string
  /** What it had to be. */
  readonly wanted: string
}

/** Why a check has nothing to look at: it is about something that this request is not, or what it looks at is not there. */
export type NothingToCompare = 'not applicable' | null

/** One named check. Names are stable: `writ explain --json` gives them out. */
export interface Check {
  readonly name: string
  /** Why it denies; nothing when it passes, or when there is nothing to look at. */
  readonly reasons: (evaluation: Evaluation) => readonly Reason[]
  /** What it looks at, after {@link reasons}. Only asked for when somebody wants to know. */
  readonly compared: (evaluation: Evaluation) => Compared | NothingToCompare
}

/** The checks of one stage, in the order in which a denial lists their reasons. */
export interface StageChecks {
  readonly stage: Stage
  /** Works out what several of the checks look at. */
  readonly enter?: (evaluation: Evaluation) => void
  readonly checks: readonly Check[]
  /** Only when every check passed. */
  readonly leave?: (evaluation: Evaluation) => void
}

/** Shared, because most checks find nothing and every decision makes them all. */
export const NO_REASONS: readonly Reason[] = []

/**
 * Runs all checks of a stage: a denial lists every reason of its stage.
 *
 * @param seen is told of each check what it found
 */
export function runStage(
  { enter, checks, leave }: StageChecks,
  evaluation: Evaluation,
  seen?: (check: Check, reasons: readonly Reason[]) => void,
): Reason[] {
  enter?.(evaluation)
  const out: Reason[] = []
  for (const check of checks) {
    const reasons = check.reasons(evaluation)
    for (const reason of reasons) out.push(reason)
    seen?.(check, reasons)
  }
  if (out.length === 0) leave?.(evaluation)
  return out
}

/** What a check looks at; null when there is nothing, for whichever reason. */
export function lookedAt({ compared }: Check, evaluation: Evaluation): Compared | null {
  const looked = compared(evaluation)
  return looked === 'not applicable' ? null : looked
}
