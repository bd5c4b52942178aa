import {
  checkCircumstances,
  checkParent,
  type OpenedArtifact,
  openArtifact,
  type SentArtifact,
} from './artifact.ts'
import type { DecisionInput } from './input.ts'
import { checkIntegrity } from './integrity.ts'
import { subjectsToMint, termsToMint } from './mint-terms.ts'
import { checkNarrower } from './narrow.ts'
import { type Reason, reason } from './reason.ts'
import type { Stage } from './record.ts'
import type { ObservedSubject } from './request.ts'
import { checkSubjects, resolveTerms, type SubjectToOpen, subjectsToOpen } from './scope.ts'
import type { LaunchTerms } from './terms.ts'
import type { UseClaim, UseView } from './uses.ts'

/** One decision on its way. The stages fill in what the later ones and the record need. */
export interface Evaluation {
  readonly input: Omit<DecisionInput, 'artifact'>
  readonly sent: SentArtifact | null
  readonly observed: readonly ObservedSubject[] | null
  opened: OpenedArtifact
  terms: LaunchTerms | null
  use: UseClaim | null
  view: UseView | null
}

/** Begins an evaluation by opening the artifact, or with one that was opened before under the same roots. */
export function begin(
  input: Evaluation['input'],
  sent: SentArtifact | null,
  observed: readonly ObservedSubject[] | null,
  opened: OpenedArtifact = openArtifact(sent, input),
): Evaluation {
  return { input, sent, observed, opened, terms: null, use: null, view: null }
}

/** Whether the request asks for an artifact instead of bringing one. */
function asksToMint({ input, sent }: Evaluation): boolean {
  return sent === null && input.request.operation === 'authorize' && input.minting.enabled
}

/** What has to be opened and hashed before the second stage. */
export function toOpen(evaluation: Evaluation): SubjectToOpen[] {
  const { opened, input } = evaluation
  if (opened.statement === null) return subjectsToMint(input.request)
  return subjectsToOpen(opened.statement, input.request)
}

function artifactStage(evaluation: Evaluation): Reason[] {
  const { input, opened } = evaluation
  const { fault, caller, clock } = input
  return [
    ...(fault === null ? [] : [reason(fault.code, fault.message)]),
    ...(caller === null ? [reason('CALLER_UNKNOWN', 'the kernel did not say who asks', 'caller')] : []),
    ...(asksToMint(evaluation) ? [] : opened.reasons),
    ...(clock.trusted ? [] : [reason('CLOCK_UNTRUSTED', 'the wall clock cannot be relied on', 'clock')]),
    ...checkCircumstances(opened, input),
    ...checkParent(input),
  ]
}

function subjectsStage(evaluation: Evaluation): Reason[] {
  const { input, opened } = evaluation
  const observed = evaluation.observed ?? []
  const { reasons, terms } =
    opened.statement === null
      ? termsToMint(input.request, observed, input)
      : resolveTerms(opened.statement, input.request)
  const out = [...checkSubjects(toOpen(evaluation), observed), ...reasons]
  if (terms !== null && input.caller?.parentExecution && input.parent !== null)
    out.push(...checkNarrower(terms, input.parent))
  // The digests in the terms are only worth something when every subject was found as signed.
  evaluation.terms = out.length === 0 ? terms : null
  return out
}

function integrityStage({ input, opened }: Evaluation): Reason[] {
  return checkIntegrity(opened.statement?.predicate.environment ?? null, input)
}

function policyStage({ input, opened, terms }: Evaluation): Reason[] {
  const { policy, caller, request } = input
  if (terms === null || caller === null) throw new TypeError('policy comes after subjects')
  if (policy === null) return [reason('POLICY_ERROR', 'no policy is in force', 'policy')]
  const out: Reason[] = []
  const wanted = opened.statement?.predicate.policy.digest ?? 'any'
  if (wanted !== 'any' && wanted !== policy.digest) {
    out.push(reason('POLICY_MISMATCH', `the policy in force is ${policy.digest}`, 'predicate.policy.digest'))
  }
  const predicate = opened.statement?.predicate
  const answer = policy.evaluate({
    operation: request.operation,
    now: input.clock.now,
    hostId: input.host.id,
    caller,
    gate: input.gate,
    artifact: {
      kind: predicate === undefined ? 'none' : opened.minted ? 'minted' : 'signed',
      issuer: predicate?.issuer ?? '',
      id: predicate?.id ?? '',
      digest: opened.digest ?? '',
      keyIds: opened.keyIds,
    },
    terms,
  })
  if (answer.outcome === 'failed') {
    // Cedar's own words differ between its releases, and a record must not.
    const which = answer.failed.length > 0 ? `policies ${answer.failed.join(', ')}` : 'the request'
    out.push(reason('POLICY_ERROR', `Cedar could not evaluate ${which}`, 'policy'))
  } else if (answer.outcome === 'deny') {
    const { determining } = answer
    const what = determining.length > 0 ? `forbidden by ${determining.join(', ')}` : 'no policy permits it'
    out.push(reason('POLICY_DENIED', what, 'policy'))
  }
  return out
}

function useStage(evaluation: Evaluation): Reason[] {
  const { input, opened, terms } = evaluation
  if (terms === null) throw new TypeError('uses come after subjects')
  return [
    ...checkRevoked(evaluation, terms),
    ...(opened.statement === null ? [] : checkUses(evaluation, input)),
  ]
}

function checkRevoked({ input, opened }: Evaluation, terms: LaunchTerms): Reason[] {
  const { revocations, request, caller } = input
  const revocable = {
    artifactDigest: opened.digest,
    subjectDigests: [terms.program, ...terms.files].map(file => file.sha256),
    executionIds: [request.executionId, ...(caller?.parentExecution ? [caller.parentExecution] : [])],
  }
  const out: Reason[] = []
  for (const { kind, id } of revocations.hits(revocable)) {
    out.push(reason('REVOKED', `the ${kind} ${id} is revoked`, kind))
  }
  const good = revocations.goodKeys(opened.keyIds).length
  if (opened.statement !== null && good < opened.threshold) {
    out.push(
      reason(
        'REVOKED',
        `${good} of the keys that signed are not revoked, ${opened.threshold} are needed`,
        'key',
      ),
    )
  }
  return out
}

function checkUses(evaluation: Evaluation, { uses, request }: Evaluation['input']): Reason[] {
  const { digest, statement } = evaluation.opened
  if (digest === null || statement === null) throw new TypeError('uses come after the artifact')
  const { issuer, id, validity } = statement.predicate
  const maxUses = validity.maxUses === 'any' ? null : validity.maxUses
  const claim: UseClaim = { payload: digest, issuer, id, maxUses }
  const view = uses.view(claim)
  evaluation.view = view
  evaluation.use = request.operation === 'execute' ? claim : null
  const out: Reason[] = []
  if (view.otherPayload !== null) {
    out.push(reason('REPLAYED', `${issuer} used the id ${id} for another artifact`, 'predicate.id'))
  }
  if (maxUses !== null && view.used >= maxUses) {
    out.push(reason('REPLAYED', `used ${view.used} times of ${maxUses}`, 'predicate.validity.maxUses'))
  }
  // What was not valid before that start cannot have been used before it; of all else a use may be missing in the log.
  if (maxUses !== null && view.uncleanSince !== null && validity.notBefore < view.uncleanSince) {
    const what = `issued before the unclean stop that ended ${view.uncleanSince}`
    out.push(reason('REPLAYED', what, 'predicate.validity.maxUses'))
  }
  return out
}

/** The way of a request, in order. */
export const STEPS: readonly (readonly [Stage, (evaluation: Evaluation) => Reason[]])[] = [
  ['artifact', artifactStage],
  ['subjects', subjectsStage],
  ['integrity', integrityStage],
  ['policy', policyStage],
  ['use', useStage],
]
