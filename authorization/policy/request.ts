import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { canonicalJson } from '../../encoding/json.ts'
import type { GateSnapshot } from '../gate-snapshot.ts'
import type { Caller } from '../request.ts'
import type { LaunchTerms } from '../terms.ts'
import type { CedarCall, CedarUid } from './engine.ts'

/** What the policy is asked about one request. Every field has been verified or comes from the kernel, `terms` apart. */
export interface PolicyQuestion {
  readonly operation: 'execute' | 'authorize'
  readonly now: string
  readonly hostId: string
  readonly caller: Caller
  readonly gate: GateSnapshot
  readonly artifact: {
    readonly kind: 'signed' | 'minted' | 'none'
    readonly issuer: string
    readonly id: string
    readonly digest: string
    readonly keyIds: readonly string[]
  }
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
  const ours: EntityJson[] = [
    merge(bundle, user, {}, unit),
    merge(bundle, resource, { path: terms.program.path }, []),
    ...(principal.type === 'Writ::Execution' ? [merge(bundle, principal, {}, [user])] : []),
  ]
  return {
    principal,
    action: { type: 'Writ::Action', id: question.operation === 'execute' ? 'Execute' : 'Authorize' },
    resource,
    context: context(question),
    ours,
  }
}

/** The bundle's entities that a call does not bring in a form of its own. */
export function others(ours: readonly EntityJson[], bundle: ReadonlyMap<string, EntityJson>): EntityJson[] {
  const replaced = new Set(ours.map(entity => uidKey(entity.uid as CedarUid)))
  return [...bundle].filter(([key]) => !replaced.has(key)).map(([, entity]) => entity)
}

/** A uid as one text; a type or an id may have colons of its own. */
export function uidKey({ type, id }: CedarUid): string {
  return JSON.stringify([type, id])
}

function merge(
  bundle: ReadonlyMap<string, EntityJson>,
  uid: CedarUid,
  attrs: EntityJson['attrs'],
  parents: CedarUid[],
): EntityJson {
  const known = bundle.get(uidKey(uid))
  if (known === undefined) return { uid, attrs, parents }
  return { uid, attrs: { ...known.attrs, ...attrs }, parents: [...known.parents, ...parents] }
}

function context(question: PolicyQuestion): Record<string, unknown> {
  const { caller, gate, artifact, terms } = question
  return {
    now: Date.parse(question.now),
    host: question.hostId,
    caller: { uid: caller.uid, gid: caller.gid },
    attestation: {
      tier: gate.tier,
      ageMs: Math.ceil((gate.evidenceAgeMs ?? 0) / AGE_STEP_MS) * AGE_STEP_MS,
      referenceValues: gate.referenceValuesDigest ?? '',
    },
    artifact: {
      kind: artifact.kind,
      issuer: artifact.issuer,
      id: artifact.id,
      digest: artifact.digest,
      keys: artifact.keyIds,
    },
    files: terms.files.map(file => file.sha256),
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
      children: terms.children !== 'none',
      limits: Object.fromEntries(Object.entries(terms.limits).filter(([, value]) => value !== null)),
    },
  }
}
