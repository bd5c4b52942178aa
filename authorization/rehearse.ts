import { type OpenedArtifact, openArtifact, sentArtifact } from './artifact.ts'
import { type Check, type Compared, lookedAt, type StageChecks } from './check.ts'
import { begin, type Evaluation, toOpen } from './evaluation.ts'
import type { GateSnapshot } from './gate-snapshot.ts'
import type { PolicyBundle } from './policy/compiled.ts'
import type { Reason } from './reason.ts'
import type { Stage } from './record.ts'
import type { Caller, ExecutionRequest, ObservedSubject } from './request.ts'
import { RevocationSet } from './revocation-set.ts'
import type { SubjectToOpen } from './scope.ts'
import { WAY } from './stages.ts'
import type { Statement } from './statement.ts'
import type { LaunchTerms } from './terms.ts'
import type { TrustRoots } from './trust.ts'
import { UseTable } from './uses.ts'

/** What is known away from the daemon. What is null or left out makes checks `unknown`, never `passed`. */
export interface Known {
  readonly request: ExecutionRequest
  /** Who would ask, through the daemon's main socket; its unit is not known. */
  readonly caller: Pick<Caller, 'uid' | 'gid' | 'pid'>
  /** The envelope; null asks for what would be minted. */
  readonly artifact: Uint8Array | null
  /** RFC 3339 in UTC with milliseconds. */
  readonly now: string
  readonly hostId: string | null
  readonly trustRoots: TrustRoots | null
  readonly policy: PolicyBundle | null
  /** Policies see an attested host with fresh evidence and a TPM of this kind. */
  readonly tier: GateSnapshot['tier']
}

/** Why a check could not be made: what of {@link Known} is missing, what only the daemon knows, or that an earlier one failed. */
export type Missing = 'artifact' | 'host' | 'trust roots' | 'policy' | 'caller' | 'daemon' | 'earlier'

/** One check of the way of a request, as far as it can be told. */
export interface RehearsedCheck {
  readonly stage: Stage
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'unknown'
  /** Only of a check that failed. */
  readonly reasons: readonly Reason[]
  /** What it held against what; null of a check that was not made. */
  readonly compared: Compared | null
  /** Only of a check that is unknown. */
  readonly missing: Missing | null
}

export interface Rehearsal {
  readonly artifactDigest: string | null
  readonly statement: Statement | null
  readonly checks: readonly RehearsedCheck[]
  /** What would run, if everything that could be told holds. */
  readonly terms: LaunchTerms | null
}

/** What only holds at the daemon, at the moment of the request; there is nothing to say of it here. */
const OF_THE_MOMENT: ReadonlySet<string> = new Set(['fault', 'caller', 'clock', 'parent', "parent's scope"])
const OF_THE_DAEMON: ReadonlySet<Stage> = new Set(['integrity', 'use'])

/**
 * Makes the checks of a decision that can be made away from the daemon: the same functions, in the same order. It permits
 * nothing: attestation, revocations and uses are the daemon's, and are `unknown`.
 *
 * @param observe hashes what is at the paths; an error for a path fails the subject
 */
export async function rehearse(
  known: Known,
  observe: (subjects: readonly SubjectToOpen[]) => Promise<readonly ObservedSubject[]>,
): Promise<Rehearsal> {
  const input = inputOf(known)
  const sent = known.artifact === null ? null : sentArtifact(known.artifact)
  const opened = openArtifact(sent, input)
  const readable = sent === null || opened.statement !== null
  const observed = readable ? await observe(toOpen(begin(input, sent, null, opened))) : []
  const evaluation = begin(input, sent, observed, opened)
  const checks = WAY.flatMap(stage => rehearseStage(stage, evaluation, known, readable))
  const { terms } = evaluation
  return { artifactDigest: opened.digest, statement: opened.statement, checks, terms }
}

function inputOf({ request, caller, now, hostId, trustRoots, policy, tier }: Known): Evaluation['input'] {
  return {
    request,
    caller: { ...caller, cgroup: '', unit: null, program: null, parentExecution: null },
    host: { id: hostId ?? '', enforces: { controllers: [], devices: [] } },
    gate: {
      state: 'ATTESTED',
      epoch: 0,
      evidenceAgeMs: 0,
      deadlineInMs: null,
      referenceValuesDigest: null,
      tier,
      resetCount: null,
      claims: null,
      appraisalIndex: null,
      reasons: [],
    },
    lineage: 'ok',
    fault: null,
    clock: { now, trusted: true },
    minting: { enabled: false, sessionKeySpki: '' },
    trustRoots,
    hostLabels: null,
    policy,
    revocations: RevocationSet.empty,
    uses: new UseTable(),
    parent: null,
  }
}

function rehearseStage(
  stage: StageChecks,
  evaluation: Evaluation,
  known: Known,
  readable: boolean,
): RehearsedCheck[] {
  const enters = !OF_THE_DAEMON.has(stage.stage) && (stage.stage === 'artifact' || readable)
  const ready = enters && (stage.stage !== 'policy' || (evaluation.terms !== null && known.policy !== null))
  if (ready) stage.enter?.(evaluation)
  const checks = stage.checks
    .filter(({ name }) => concerns(name, evaluation))
    .map(check => {
      const missing = missingFor(stage.stage, check.name, evaluation, known, readable)
      return missing === null
        ? make(stage.stage, check, evaluation)
        : unknown(stage.stage, check.name, missing)
    })
  if (ready && checks.every(({ outcome }) => outcome !== 'failed')) stage.leave?.(evaluation)
  return checks
}

/** Whether there is anything to say of a check: not of what a request without this artifact, or outside of a daemon, does not have. */
function concerns(name: string, { sent, opened }: Evaluation): boolean {
  if (name === 'minted') return opened.minted
  if (name === 'terms to mint') return sent === null
  return !OF_THE_MOMENT.has(name)
}

function missingFor(
  stage: Stage,
  name: string,
  { opened, sent, terms }: Evaluation,
  { hostId, trustRoots, policy }: Known,
  readable: boolean,
): Missing | null {
  if (OF_THE_DAEMON.has(stage)) return 'daemon'
  if (stage === 'policy') return policy === null ? 'policy' : terms === null ? 'earlier' : null
  if (sent === null) return stage === 'artifact' || name.startsWith('scope.') ? 'artifact' : null
  if (stage === 'artifact') return missingOfArtifact(name, opened, hostId, trustRoots)
  return readable ? null : 'earlier'
}

function missingOfArtifact(
  name: string,
  { faults, statement, minted }: OpenedArtifact,
  hostId: string | null,
  trustRoots: TrustRoots | null,
): Missing | null {
  if (name === 'envelope') return null
  if (faults.envelope.length > 0) return 'earlier'
  if (name === 'statement') return null
  if (name === 'trust roots') return trustRoots === null ? 'trust roots' : null
  if (name === 'signatures' || name === 'issuer' || name === 'signers') {
    // Its own session key signs what a daemon mints, and no document names that key.
    if (minted) return 'daemon'
    if (trustRoots === null) return 'trust roots'
    const unsigned = statement === null || faults.signatures.length > 0
    if (name === 'signers') return unsigned || faults.issuer.length > 0 ? 'earlier' : null
    return name === 'issuer' && unsigned ? 'earlier' : null
  }
  if (statement === null) return 'earlier'
  if (name === 'minted') return 'daemon'
  if (name === 'audience' && hostId === null && statement.predicate.audience.hosts !== 'any') return 'host'
  return null
}

function make(stage: Stage, check: Check, evaluation: Evaluation): RehearsedCheck {
  const reasons = check.reasons(evaluation)
  // The uid is known. The unit and the parent are the kernel's to say, when the daemon is asked.
  const told =
    check.name === 'initiator' ? reasons.filter(({ at }) => at === 'predicate.initiator.uids') : reasons
  if (told.length === 0 && reasons.length > 0) return unknown(stage, check.name, 'caller')
  return {
    stage,
    name: check.name,
    outcome: told.length === 0 ? 'passed' : 'failed',
    reasons: told,
    compared:
      check.name === 'audience' && evaluation.input.host.id === ''
        ? { found: 'any host', wanted: 'any' }
        : lookedAt(check, evaluation),
    missing: null,
  }
}

function unknown(stage: Stage, name: string, missing: Missing): RehearsedCheck {
  return { stage, name, outcome: 'unknown', reasons: [], compared: null, missing }
}
