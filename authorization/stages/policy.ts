import { NO_REASONS, type StageChecks } from '../check.ts'
import type { Evaluation } from '../evaluation.ts'
import { labelsInForce } from '../host-labels.ts'
import { lapseOf } from '../policy/compiled.ts'
import { type PolicyQuestion, principalOf } from '../policy/request.ts'
import { type Reason, reason } from '../reason.ts'
import { countSigners } from '../signers.ts'
import { policyInForceReasons, policyValidityReasons } from '../standing.ts'

/** Asks Cedar, if a policy is in force. */
function ask(evaluation: Evaluation): void {
  const { input, opened, terms } = evaluation
  const { policy, caller, request } = input
  if (terms === null || caller === null) throw new TypeError('policy comes after subjects')
  // What is not valid has no say.
  if (policy === null || lapseOf(policy, input.clock.now) !== null) return
  const predicate = opened.statement?.predicate
  // A policy may ask for one person's approval: that of a revoked key is nobody's, even where enough others approved.
  const isRevoked = (keyId: string) => input.revocations.has('key', keyId)
  const { keyIds, approvers, requester } = countSigners(opened.signed, input.clock.now, isRevoked)
  evaluation.answer = policy.evaluate({
    // What goes on is judged as what starts.
    operation: request.operation === 'authorize' ? 'authorize' : 'execute',
    now: input.clock.now,
    hostId: input.host.id,
    hostLabels: labelsInForce(input.hostLabels, input.clock.now),
    caller,
    gate: input.gate,
    artifact: {
      kind: predicate === undefined ? 'none' : opened.minted ? 'minted' : 'signed',
      issuer: predicate?.issuer ?? '',
      id: predicate?.id ?? '',
      digest: opened.digest ?? '',
      keyIds,
      approvers,
      requester: requester ?? '',
      secrets: (terms.secrets ?? []).map(({ name }) => name),
    },
    parents: parentsOf(evaluation),
    terms,
  })
}

/** The execution that asks and those above it, nearest first. */
function parentsOf({ input: { parent } }: Evaluation): PolicyQuestion['parents'] {
  if (parent === null) return []
  const { executionId, ancestors, ancestorPrograms = [], terms } = parent
  const above = ancestors.map((id, i) => ({ executionId: id, program: ancestorPrograms[i] ?? null }))
  return [{ executionId, program: terms.program.sha256 }, ...above]
}

function judge({ answer }: Evaluation): readonly Reason[] {
  if (answer === null || answer.outcome === 'allow') return NO_REASONS
  if (answer.outcome === 'failed') {
    // Cedar's own words differ between its releases, and a record must not.
    const which = answer.failed.length > 0 ? `policies ${answer.failed.join(', ')}` : 'the request'
    return [reason('POLICY_ERROR', `Cedar could not evaluate ${which}`, 'policy')]
  }
  const { determining } = answer
  const what = determining.length > 0 ? `forbidden by ${determining.join(', ')}` : 'no policy permits it'
  return [reason('POLICY_DENIED', what, 'policy')]
}

const wantedPolicy = ({ opened }: Evaluation): string => opened.statement?.predicate.policy.digest ?? 'any'

/** Cedar agrees, and the policy is the one that the artifact names. */
export const POLICY_STAGE: StageChecks = {
  stage: 'policy',
  enter: ask,
  checks: [
    {
      name: 'policy in force',
      reasons: ({ input }) => policyInForceReasons(input),
      compared: ({ input: { policy } }) => ({
        found: policy === null ? 'none' : `version ${policy.version}, ${policy.digest}`,
        wanted: 'a policy',
      }),
    },
    {
      name: 'policy validity',
      reasons: ({ input }) => policyValidityReasons(input),
      compared: ({ input: { policy, clock } }) =>
        policy === null
          ? null
          : { found: clock.now, wanted: `from ${policy.notBefore} to ${policy.notAfter}` },
    },
    {
      name: 'policy digest',
      reasons: evaluation => {
        const { policy } = evaluation.input
        const wanted = wantedPolicy(evaluation)
        if (policy === null || wanted === 'any' || wanted === policy.digest) return NO_REASONS
        return [
          reason('POLICY_MISMATCH', `the policy in force is ${policy.digest}`, 'predicate.policy.digest'),
        ]
      },
      compared: evaluation =>
        evaluation.input.policy === null
          ? null
          : { found: evaluation.input.policy.digest, wanted: wantedPolicy(evaluation) },
    },
    {
      name: 'policy',
      reasons: judge,
      compared: ({ answer, input: { caller, request }, terms }) => {
        if (answer === null || caller === null || terms === null) return null
        const { type, id } = principalOf(caller)
        return {
          found: `${type}::"${id}" asks to ${request.operation} Writ::Program::"${terms.program.sha256}"`,
          wanted: 'permitted by a policy, forbidden by none',
        }
      },
    },
  ],
}
