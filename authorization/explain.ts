import { parseEnvelope } from '../signing/dsse.ts'
import { type Compared, runStage } from './check.ts'
import type { Evaluation } from './evaluation.ts'
import type { PolicyAnswer } from './policy/answer-cache.ts'
import { parsePolicyBundle } from './policy/bundle.ts'
import type { Reason } from './reason.ts'
import type { Stage } from './record.ts'
import { WAY } from './stages.ts'

/**
 * `not reached`: a stage before it denied, or what it looks at was not there. `not applicable`: it is about something that this request
 * is not, such as a child of an execution.
 */
export type CheckOutcome = 'passed' | 'failed' | 'not reached' | 'not applicable'

/** What one check looked at, and what came of it. */
export interface CheckResult {
  readonly stage: Stage
  readonly name: string
  readonly outcome: CheckOutcome
  /** Null when there was nothing to look at. Its text may come from whoever sent the request or the artifact. */
  readonly compared: Compared | null
  readonly reasons: readonly Reason[]
}

/** The policies in force, and those among them that determined the answer. */
export interface DeterminingPolicies {
  readonly version: number
  readonly digest: string
  /** Null when they were not asked. */
  readonly outcome: PolicyAnswer['outcome'] | null
  /** Those that permitted or forbade, or that failed to evaluate; none when no policy permitted. */
  readonly policies: readonly { readonly id: string; readonly text: string }[]
}

/** Runs the checks in order and notes what each looked at. A stage that denies is the last one that is reached. */
export function trace(evaluation: Evaluation): CheckResult[] {
  const out: CheckResult[] = []
  let ended = false
  for (const stage of WAY) {
    const seen = new Map<string, CheckResult>()
    if (!ended) {
      try {
        const reasons = runStage(stage, evaluation, ({ name, compared }, found) => {
          const looked = compared(evaluation)
          const there = looked === null || looked === 'not applicable' ? null : looked
          const outcome: CheckOutcome =
            found.length > 0
              ? 'failed'
              : there !== null
                ? 'passed'
                : looked === null
                  ? 'not reached'
                  : 'not applicable'
          seen.set(name, { stage: stage.stage, name, outcome, compared: there, reasons: found })
        })
        ended = reasons.length > 0
      } catch {
        // A decision makes a denial of this; no check of it is to blame.
        ended = true
      }
    }
    const unseen = { stage: stage.stage, outcome: 'not reached', compared: null, reasons: [] } as const
    for (const { name } of stage.checks) out.push(seen.get(name) ?? { ...unseen, name })
  }
  return out
}

/** What the policies said, after the checks ran. */
export function policyOf({ input: { policy }, answer }: Evaluation): DeterminingPolicies | null {
  if (policy === null) return null
  const { policies } = parsePolicyBundle(parseEnvelope(policy.envelope).payload)
  const ids = answer === null ? [] : answer.outcome === 'failed' ? answer.failed : answer.determining
  return {
    version: policy.version,
    digest: policy.digest,
    outcome: answer?.outcome ?? null,
    policies: ids.map(id => ({ id, text: policies[id] ?? '' })),
  }
}
