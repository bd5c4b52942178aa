import type { AuthorizationCall, EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { newCedar } from './cedar.ts'
import type { CedarCall, EngineAnswer, EngineFailure } from './engine.ts'

/** A question in Cedar's own words, with all that it is judged by. */
export interface PlainQuestion extends Omit<CedarCall, 'entities'> {
  /** Policies one after the other, as in a `.cedar` file: they are called `policy0`, `policy1`, … */
  readonly policies: string
  /** How entities and context are to be read; no policy and no request is checked against it. */
  readonly schema?: string
  readonly entities: readonly EntityJson[]
}

/**
 * Asks Cedar once, as its own command does: no strict validation, and a policy that fails to evaluate is left out of the answer and named. For
 * looking at a policy; what Writ decides with is a bundle, where either is a denial.
 */
export function askCedar({ policies, schema, ...question }: PlainQuestion): EngineAnswer | EngineFailure {
  try {
    const answer = newCedar().isAuthorized({
      ...question,
      policies: { staticPolicies: policies },
      ...(schema === undefined ? {} : { schema }),
      validateRequest: false,
    } as unknown as AuthorizationCall)
    if (answer.type !== 'success')
      return { type: 'failure', message: answer.errors.map(({ message }) => message).join('; ') }
    const { decision, diagnostics } = answer.response
    return {
      type: 'answer',
      allow: decision === 'allow',
      determining: diagnostics.reason.toSorted(),
      failed: diagnostics.errors.map(({ policyId }) => policyId).toSorted(),
    }
  } catch (cause) {
    return { type: 'failure', message: `Cedar failed: ${cause instanceof Error ? cause.message : 'unknown'}` }
  }
}
