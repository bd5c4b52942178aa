import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalJson } from '../../encoding/json.ts'
import { type GateSnapshot, TRUST_CLAIMS } from '../gate-snapshot.ts'
import type { Caller } from '../request.ts'
import type { LaunchTerms } from '../terms.ts'
import type { CedarCall, CedarUid } from './engine.ts'

/** What the policy is asked about one request. Every field has been verified or comes from the kernel, `terms` apart. */
export interface PolicyQuestion {
  readonly operation: 'execute' | 'authorize'
  readonly now: string
  readonly hostId: string
  /** Those that are in force now. */
  readonly hostLabels: readonly string[]
  readonly caller: Caller
  readonly gate: GateSnapshot
  readonly artifact: {
    readonly kind: 'signed' | 'minted' | 'none'
    readonly issuer: string
    readonly id: string
    readonly digest: string
    readonly keyIds: readonly string[]
    /** Holders of the keys that approved it, and of the one that asked for it; empty if nobody did. */
    readonly approvers: readonly string[]
    readonly requester: string
    /** Names of the secrets that it hands over. */
    readonly secrets: readonly string[]
  }
  /** The execution that asks and those above it, nearest first; empty for a request through the main socket. */
  readonly parents: readonly { readonly executionId: string; readonly program: string | null }[]
  /** What the caller asks for, after the scope has allowed it. */
  readonly terms: LaunchTerms
}

/** A call to Cedar without the entities that are the same for every call under the bundle. */
export interface PolicyCall extends Omit<CedarCall, 'entities'> {
  readonly ours: readonly EntityJson[]
}

/**
 * The evidence's age is told in these steps, rounded up, so that it never looks fresher than it is. Requests that come within one
 * step differ in nothing that the policy can see.
 */
const AGE_STEP_MS = 100

/** The principal: the execution whose socket was used, else the user that the kernel names. */
export function principalOf({ uid, parentExecution }: Caller): CedarUid {
  return parentExecution === null
    ? { type: 'Writ::User', id: String(uid) }
    : { type: 'Writ::Execution', id: parentExecution }
}

/**
 * Builds the request to Cedar. All keys of the context are written here, and what the caller sends only ever becomes a
 * string, a number or a member of a set *below* `request`: no name that it chooses can become a key, so that it reaches
 * neither the facts beside `request` nor Cedar's own `__entity` and `__extn`.
 *
 * @param bundle the bundle's entities by {@link uidKey}
 */
export function buildCall(question: PolicyQuestion, bundle: ReadonlyMap<string, EntityJson>): PolicyCall {
  const { caller, terms } = question
  const principal = principalOf(caller)
  const resource = { type: 'Writ::Program', id: terms.program.sha256 }
  const user = { type: 'Writ::User', id: String(caller.uid) }
  const unit = caller.unit === null ? [] : [{ type: 'Writ::Unit', id: caller.unit }]
  const above = question.parents
    .slice(1)
    .map(({ executionId }) => ({ type: 'Writ::Execution', id: executionId }))
  const ours: EntityJson[] = [
    merge(bundle, user, {}, unit),
    merge(bundle, resource, { path: terms.program.path }, [], PROGRAM_DEFAULTS),
    ...(principal.type === 'Writ::Execution' ? [merge(bundle, principal, {}, [user, ...above])] : []),
  ]
  return {
    principal,
    action: { type: 'Writ::Action', id: question.operation === 'execute' ? 'Execute' : 'Authorize' },
    resource,
    context: context(question),
    ours,
  }
}

/** What Cedar is asked about a request, to show it: without the groups and labels that a bundle's entities add. */
export function whatPoliciesSee(question: PolicyQuestion): Omit<PolicyCall, 'ours'> {
  const { ours: _, ...call } = buildCall(question, new Map())
  return call
}

/** The bundle's entities that a call does not bring in a form of its own. */
export function others(ours: readonly EntityJson[], bundle: ReadonlyMap<string, EntityJson>): EntityJson[] {
  const replaced = new Set(ours.map(entity => uidKey(entity.uid as CedarUid)))
  return [...bundle].filter(([key]) => !replaced.has(key)).map(([, entity]) => entity)
}

/** What every program has, unless the bundle's entities say otherwise. */
export const PROGRAM_DEFAULTS = { labels: [] }

/** A uid as one text; a type or an id may have colons of its own. */
export function uidKey({ type, id }: CedarUid): string {
  return JSON.stringify([type, id])
}

function merge(
  bundle: ReadonlyMap<string, EntityJson>,
  uid: CedarUid,
  attrs: EntityJson['attrs'],
  parents: CedarUid[],
  defaults: EntityJson['attrs'] = {},
): EntityJson {
  const known = bundle.get(uidKey(uid))
  if (known === undefined) return { uid, attrs: { ...defaults, ...attrs }, parents }
  return { uid, attrs: { ...known.attrs, ...attrs }, parents: [...known.parents, ...parents] }
}

function context(question: PolicyQuestion): Record<string, unknown> {
  const { caller, gate, artifact, parents, terms } = question
  return {
    now: Date.parse(question.now),
    host: question.hostId,
    hostLabels: question.hostLabels,
    caller: { uid: caller.uid, gid: caller.gid, cgroup: caller.cgroup },
    attestation: {
      tier: gate.tier,
      ageMs: Math.ceil((gate.evidenceAgeMs ?? 0) / AGE_STEP_MS) * AGE_STEP_MS,
      referenceValues: gate.referenceValuesDigest ?? '',
      ...(gate.resetCount === null ? {} : { resetCount: gate.resetCount }),
      claims: claimsOf(gate),
    },
    artifact: {
      kind: artifact.kind,
      issuer: artifact.issuer,
      id: artifact.id,
      digest: artifact.digest,
      keys: artifact.keyIds,
      approvers: artifact.approvers,
      requester: artifact.requester,
    },
    files: terms.files.map(file => file.sha256),
    parents: {
      depth: parents.length,
      executions: parents.map(({ executionId }) => executionId),
      programs: parents.flatMap(({ program }) => (program === null ? [] : [program])),
    },
    request: {
      argv: terms.argv,
      argvJson: canonicalJson(terms.argv),
      environment: terms.env.map(({ name }) => name),
      cwd: terms.cwd,
      user: terms.user === 'own' ? 'own' : String(terms.user.uid),
      network: terms.sandbox.network,
      seccomp: terms.sandbox.seccomp,
      writable: terms.sandbox.writable,
      devices: terms.devices,
      secrets: artifact.secrets,
      children: terms.children !== 'none',
      detach: terms.detach,
      limits: Object.fromEntries(Object.entries(terms.limits).filter(([, value]) => value !== null)),
    },
    advisory: { program: caller.program ?? '' },
  }
}

/** The claims under the names of the schema. Evidence that claims nothing says 0, no claim made (draft-ietf-rats-ar4si-08, section 2.3). */
function claimsOf({ claims }: GateSnapshot): Record<string, number> {
  return Object.fromEntries(
    TRUST_CLAIMS.map(name => [name.replace(/-(.)/g, (_, first) => first.toUpperCase()), claims?.[name] ?? 0]),
  )
}
