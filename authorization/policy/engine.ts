import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { type Cedar, newCedar } from './cedar.ts'
import { DEFAULT_SCHEMA } from './schema.ts'
import { type ContextUse, contextSeen, contextUse } from './usage.ts'

type Context = Parameters<Cedar['statefulIsAuthorized']>[0]['context']

/** Something went wrong in Cedar, or it did not understand. Never a permit. */
export interface EngineFailure {
  readonly type: 'failure'
  readonly message: string
}

export interface EngineAnswer {
  readonly type: 'answer'
  readonly allow: boolean
  /** Ids of the policies that determined the answer, sorted. */
  readonly determining: readonly string[]
  /** Ids of the policies whose evaluation failed, sorted. */
  readonly failed: readonly string[]
}

export interface CedarUid {
  readonly type: string
  readonly id: string
}

export interface CedarCall {
  readonly principal: CedarUid
  readonly action: CedarUid
  readonly resource: CedarUid
  readonly context: Record<string, unknown>
  readonly entities: readonly EntityJson[]
}

export interface PolicySource {
  readonly policies: readonly (readonly [id: string, text: string])[]
  readonly schema: string
}

function message(errors: readonly { message: string }[]): string {
  return errors.map(error => error.message).join('; ')
}

function attempt<T>(work: () => T): T | EngineFailure {
  try {
    return work()
  } catch (cause) {
    return { type: 'failure', message: `Cedar failed: ${cause instanceof Error ? cause.message : 'unknown'}` }
  }
}

/** The version of the Cedar language that this build speaks, such as `4.5`: what a new bundle says it is written in. */
export function policyLanguageVersion(): string {
  return newCedar().getCedarLangVersion()
}

/** One policy set with its schema, parsed once. */
export class PolicyEngine {
  readonly #source: PolicySource
  /** Whether its schema is the one that the project ships, under which every request that it is asked is valid. */
  readonly shipped: boolean
  #cedar: Cedar | null
  /** The version of the Cedar language that is spoken, such as `4.5`. */
  readonly language: string
  /** What the policies can see of a request's context. */
  readonly contextUse: ContextUse
  /** The same of each policy that is not known to be a `forbid`. */
  readonly permits: readonly { readonly id: string; readonly use: ContextUse }[]

  private constructor(source: PolicySource, cedar: Cedar) {
    this.#source = source
    this.shipped = source.schema === DEFAULT_SCHEMA
    this.#cedar = cedar
    this.language = cedar.getCedarLangVersion()
    const parsed = source.policies.map(([id, text]) => {
      const answer = attempt(() => cedar.policyToJson(text))
      // What cannot be looked into may do anything.
      return answer.type === 'success'
        ? { id, forbids: answer.json.effect === 'forbid', json: answer.json as object }
        : { id, forbids: false, json: { Var: 'context' } }
    })
    this.contextUse = contextUse(parsed.map(({ json }) => json))
    this.permits = parsed
      .filter(({ forbids }) => !forbids)
      .map(({ id, json }) => ({ id, use: contextUse([json]) }))
  }

  /** Parses and validates strictly against the schema. */
  static create(source: PolicySource): PolicyEngine | EngineFailure {
    const cedar = load(source)
    return 'type' in cedar ? cedar : new PolicyEngine(source, cedar)
  }

  /**
   * Decides one request. Under the shipped schema Cedar is only given what the policies can see, and not told to check it again: that
   * schema has no action groups and no attributes but text, numbers and sets, so it changes no answer, and the context is written
   * in `request.ts`. Under a schema of the bundle's own, the request and all entities are checked against it.
   *
   * @param checked whether to check under the shipped schema too: at load, when the bundle's entities are new
   */
  evaluate(call: CedarCall, checked = !this.shipped): EngineAnswer | EngineFailure {
    if (this.#cedar === null) {
      const cedar = load(this.#source)
      if ('type' in cedar) return cedar
      this.#cedar = cedar
    }
    const cedar = this.#cedar
    const answer = attempt(() =>
      cedar.statefulIsAuthorized({
        ...call,
        context: (checked ? call.context : contextSeen(call.context, this.contextUse)) as Context,
        entities: call.entities as EntityJson[],
        preparsedPolicySetId: 'bundle',
        validateRequest: checked,
        ...(checked ? { preparsedSchemaName: 'bundle' } : {}),
      }),
    )
    if ('message' in answer) {
      // It threw: the instance may be beyond use, the next request gets a new one.
      this.#cedar = null
      return answer
    }
    if (answer.type !== 'success') return { type: 'failure', message: message(answer.errors) }
    const { decision, diagnostics } = answer.response
    return {
      type: 'answer',
      allow: decision === 'allow',
      determining: diagnostics.reason.toSorted(),
      failed: diagnostics.errors.map(error => error.policyId).toSorted(),
    }
  }
}

function load({ policies, schema }: PolicySource): Cedar | EngineFailure {
  // The ids are the names under which a parse is kept, and a failed parse keeps what was there before: this instance is
  // new and is thrown away if any step fails.
  const cedar = newCedar()
  const set = { staticPolicies: Object.fromEntries(policies) }
  const parsedSchema = attempt(() => cedar.preparseSchema('bundle', schema))
  if (parsedSchema.type !== 'success') return failure('the schema', parsedSchema)
  const parsed = attempt(() => cedar.preparsePolicySet('bundle', set))
  if (parsed.type !== 'success') return failure('the policies', parsed)
  const valid = attempt(() =>
    cedar.validate({ schema, policies: set, validationSettings: { mode: 'strict' } }),
  )
  if (valid.type !== 'success') return failure('the policies', valid)
  if (valid.validationErrors.length > 0) {
    return { type: 'failure', message: message(valid.validationErrors.map(({ error }) => error)) }
  }
  return cedar
}

function failure(
  what: string,
  answer: EngineFailure | { type: 'failure'; errors: readonly { message: string }[] },
): EngineFailure {
  const text = 'message' in answer ? answer.message : message(answer.errors)
  return { type: 'failure', message: `${what}: ${text}` }
}
