import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { PublicKey } from '../../signing/key.ts'
import { type GovernanceDocument, openDocument, readDocument } from '../document.ts'
import { AuthorizationError } from '../error.ts'
import { windowAt } from '../signers.ts'
import { AnswerCache, type PolicyAnswer } from './answer-cache.ts'
import { cedarEntity, POLICY_PAYLOAD_TYPE, type PolicyBundleFields, parsePolicyBundle } from './bundle.ts'
import { PolicyEngine } from './engine.ts'
import {
  buildCall,
  others,
  type PolicyCall,
  type PolicyQuestion,
  PROGRAM_DEFAULTS,
  uidKey,
} from './request.ts'
import { sampleQuestions } from './sample.ts'
import { contextKey } from './usage.ts'

/** A bundle in force: parsed, strictly validated, ready to decide. */
export interface PolicyBundle {
  readonly version: number
  /** From when until when it may decide: RFC 3339 in UTC with milliseconds, or `any`. */
  readonly notBefore: string
  readonly notAfter: string
  /** Digest of the bundle, which artifacts name. */
  readonly digest: string
  readonly envelope: Buffer
  readonly envelopeDigest: string
  /** Decides. Does not throw. */
  evaluate(question: PolicyQuestion): PolicyAnswer
}

function invalid(message: string, at: string): AuthorizationError {
  return new AuthorizationError('POLICY_INVALID', message, { at })
}

function checkLanguage(wanted: string, spoken: string): void {
  const [major = 0, minor = 0] = wanted.split('.').map(Number)
  const [ourMajor = 0, ourMinor = 0] = spoken.split('.').map(Number)
  if (major !== ourMajor || minor > ourMinor) {
    throw invalid(`written in Cedar ${wanted}, this is Cedar ${spoken}`, 'cedarVersion')
  }
}

/**
 * What a caller can make up must not open anything: only a `forbid` may look at it. A `permit` that looks at the context as a whole looks
 * at it too.
 */
function checkAdvisory({ permits }: PolicyEngine): void {
  for (const { id, use } of permits) {
    if (use.some(([first]) => first === undefined || first === 'advisory')) {
      throw invalid(
        `${id}: a permit may not rest on context.advisory, which the caller can make up`,
        'policies',
      )
    }
  }
}

/** Compiles a bundle. @throws AuthorizationError `POLICY_INVALID` */
export function compileBundle(bundle: PolicyBundleFields): Pick<PolicyBundle, 'evaluate'> {
  const engine = PolicyEngine.create({ policies: Object.entries(bundle.policies), schema: bundle.schema })
  if (!(engine instanceof PolicyEngine)) throw invalid(engine.message, 'policies')
  checkLanguage(bundle.cedarVersion, engine.language)
  checkAdvisory(engine)
  const entities = new Map<string, EntityJson>()
  for (const entity of bundle.entities) {
    const made = cedarEntity(entity)
    // The schema gives every program a path; one that is not being run has none to tell.
    const attrs =
      entity.uid.type === 'Writ::Program' ? { ...PROGRAM_DEFAULTS, ...made.attrs, path: '' } : made.attrs
    entities.set(uidKey(entity.uid), { ...made, attrs })
  }
  const answers = new AnswerCache()
  const ask = ({ ours, ...call }: PolicyCall, checked?: boolean): PolicyAnswer => {
    const answer = engine.evaluate({ ...call, entities: [...ours, ...others(ours, entities)] }, checked)
    if (answer.type === 'failure') return { outcome: 'failed', failed: [], message: answer.message }
    const { allow, determining, failed } = answer
    if (failed.length > 0) return { outcome: 'failed', failed, message: `${failed.length} policies failed` }
    return { outcome: allow ? 'allow' : 'deny', determining }
  }
  for (const question of sampleQuestions()) {
    const answer = ask(buildCall(question, entities), true)
    if (answer.outcome === 'failed' && answer.failed.length === 0) throw invalid(answer.message, 'schema')
  }
  const evaluate = (question: PolicyQuestion): PolicyAnswer => {
    const call = buildCall(question, entities)
    // Under another schema the answer depends on whether the whole request is valid, which no policy has to look at.
    if (!engine.shipped) return ask(call)
    const { context, ...rest } = call
    return answers.get(`${JSON.stringify(rest)}${contextKey(context, engine.contextUse)}`, () => ask(call))
  }
  return { evaluate }
}

/**
 * Verifies, reads and compiles a bundle: envelope → governance signature → shape → parse → strict validation → a
 * sample of each kind of request.
 *
 * @throws AuthorizationError
 */
export function openPolicyBundle(bytes: Uint8Array, governance: readonly PublicKey[]): PolicyBundle {
  return fromDocument(openDocument(bytes, POLICY_PAYLOAD_TYPE, governance))
}

/** Reads and compiles a bundle without its signature: to show what a decision rested on. @throws AuthorizationError */
export function readPolicyBundle(bytes: Uint8Array): PolicyBundle {
  return fromDocument(readDocument(bytes, POLICY_PAYLOAD_TYPE))
}

/**
 * What was compiled last, for as long as it is about: whoever verifies opens the same bundle for several of its steps, and compiling is
 * most of what that costs.
 */
let latest: { readonly digest: string; readonly evaluate: WeakRef<PolicyBundle['evaluate']> } | null = null

function fromDocument(document: Omit<GovernanceDocument, 'signer'>): PolicyBundle {
  const { payload, digest, envelope, envelopeDigest } = document
  const bundle = parsePolicyBundle(payload)
  // The digest is of all that is compiled.
  const evaluate =
    (latest?.digest === digest ? latest.evaluate.deref() : undefined) ?? compileBundle(bundle).evaluate
  latest = { digest, evaluate: new WeakRef(evaluate) }
  const { version, notBefore, notAfter } = bundle
  return { version, notBefore, notAfter, digest, envelope, envelopeDigest, evaluate }
}

/**
 * Why a bundle may not decide at this time, in words; null when it may.
 *
 * @param now RFC 3339 in UTC with milliseconds
 */
export function lapseOf(
  { notBefore, notAfter }: Pick<PolicyBundle, 'notBefore' | 'notAfter'>,
  now: string,
): string | null {
  const window = windowAt({ notBefore, notAfter }, now)
  if (window === 'open') return null
  return window === 'early'
    ? `the policy is valid from ${notBefore}`
    : `the policy was valid until ${notAfter}`
}

/** Whether `next` may follow `current`: the version only goes up. @throws AuthorizationError `ROLLED_BACK` */
export function checkPolicySuccessor(
  current: Pick<PolicyBundle, 'version' | 'digest'> | null,
  next: PolicyBundle,
): void {
  if (current === null || next.digest === current.digest || next.version > current.version) return
  throw new AuthorizationError(
    'ROLLED_BACK',
    `a policy bundle of version ${next.version} cannot follow version ${current.version}`,
    { at: 'version' },
  )
}

/** Compiled bundles of one verifier, by the digest of their envelope; the least recently used is dropped. */
export class PolicyCache {
  readonly #compiled = new Map<string, PolicyBundle>()
  readonly #governance: readonly PublicKey[]
  readonly #most: number

  constructor(governance: readonly PublicKey[], most = 4) {
    this.#governance = governance
    this.#most = most
  }

  /**
   * @param load gives the envelope; only called when it is not here
   * @throws AuthorizationError as {@link openPolicyBundle}; a failure is not kept
   */
  async open(envelopeDigest: string, load: () => Promise<Uint8Array>): Promise<PolicyBundle> {
    const policy = this.#compiled.get(envelopeDigest) ?? openPolicyBundle(await load(), this.#governance)
    this.#compiled.delete(policy.envelopeDigest)
    this.#compiled.set(policy.envelopeDigest, policy)
    const oldest = this.#compiled.keys().next().value
    if (this.#compiled.size > this.#most && oldest !== undefined) this.#compiled.delete(oldest)
    return policy
  }
}
