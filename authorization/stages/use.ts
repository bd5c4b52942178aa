import { NO_REASONS, type StageChecks } from '../check.ts'
import type { Evaluation } from '../evaluation.ts'
import { type Reason, reason } from '../reason.ts'
import type { Revocable } from '../revocation-set.ts'
import { countSigners, type SignersFound, shortOf } from '../signers.ts'

/** Looks into the table of uses, if there is an artifact that is used. */
function look(evaluation: Evaluation): void {
  const { input, opened, terms } = evaluation
  if (terms === null) throw new TypeError('uses come after subjects')
  const { digest, statement } = opened
  if (statement === null) return
  if (digest === null) throw new TypeError('uses come after the artifact')
  const { issuer, id, validity } = statement.predicate
  const maxUses = validity.maxUses === 'any' ? null : validity.maxUses
  const claim = { payload: digest, issuer, id, maxUses }
  evaluation.claim = claim
  evaluation.view = input.uses.view(claim, validity.notAfter)
  evaluation.use = input.request.operation === 'execute' ? claim : null
}

/** Uses that count against it: what goes on has one of them itself. */
function usedByOthers({ input, view }: Evaluation): number {
  const own = input.request.operation === 'continue' ? 1 : 0
  return Math.max(0, (view?.used ?? 0) - own)
}

function revocable({ input, opened, terms }: Evaluation): Revocable {
  if (terms === null) throw new TypeError('revocations come after subjects')
  const { request, caller, parent, host, policy } = input
  return {
    artifactDigest: opened.digest,
    subjectDigests: [terms.program, ...terms.files].map(file => file.sha256),
    executionIds: [
      request.executionId,
      ...(caller?.parentExecution ? [caller.parentExecution] : []),
      ...(parent?.ancestors ?? []),
    ],
    hostId: host.id,
    policyDigest: policy?.digest ?? null,
  }
}

function revoked(evaluation: Evaluation): readonly Reason[] {
  return evaluation.input.revocations
    .hits(revocable(evaluation))
    .map(({ kind, id }) => reason('REVOKED', `the ${kind} ${id} is revoked`, kind))
}

/** What is left of the signatures when those of revoked keys count no more. */
function unrevoked({ input: { revocations, clock }, opened }: Evaluation): SignersFound {
  return countSigners(opened.signed, clock.now, id => revocations.has('key', id))
}

function keys(evaluation: Evaluation): readonly Reason[] {
  const { rule } = evaluation.opened.signed
  if (evaluation.opened.statement === null || rule === null) return NO_REASONS
  const found = unrevoked(evaluation)
  if (found.met) return NO_REASONS
  return shortOf(rule, found, false).map(({ message }) =>
    reason('REVOKED', `without the revoked keys, ${message}`, 'key'),
  )
}

/** Nothing of it is revoked, and a use is left. */
export const USE_STAGE: StageChecks = {
  stage: 'use',
  enter: look,
  checks: [
    {
      name: 'revocations',
      reasons: revoked,
      compared: evaluation => {
        const { artifactDigest, subjectDigests, executionIds, hostId, policyDigest } = revocable(evaluation)
        const { epoch } = evaluation.input.revocations
        return {
          found: `artifact ${artifactDigest ?? 'none'}, programs ${subjectDigests.join(', ')}, executions ${executionIds.join(', ')}, host ${hostId}, policy ${policyDigest ?? 'none'}`,
          wanted: `none of them among what is revoked (${epoch === 0 ? 'nothing is' : `up to epoch ${epoch}`})`,
        }
      },
    },
    {
      name: 'keys',
      reasons: keys,
      compared: evaluation =>
        evaluation.opened.statement === null
          ? 'not applicable'
          : {
              found: `${unrevoked(evaluation).keyIds.length} of the keys that signed are not revoked`,
              wanted: `approvals of ${evaluation.opened.signed.rule?.threshold ?? 1} by them`,
            },
    },
    {
      name: 'id',
      reasons: ({ claim, view }) =>
        claim === null || view === null || view.otherPayload === null
          ? NO_REASONS
          : [
              reason(
                'REPLAYED',
                `${claim.issuer} used the id ${claim.id} for another artifact`,
                'predicate.id',
              ),
            ],
      compared: ({ claim, view }) =>
        claim === null
          ? 'not applicable'
          : {
              found: view?.otherPayload ?? 'no other artifact',
              wanted: `no other artifact of ${claim.issuer} under the id ${claim.id}`,
            },
    },
    {
      name: 'uses',
      reasons: evaluation => {
        const { claim, view } = evaluation
        const used = usedByOthers(evaluation)
        return claim === null || view === null || claim.maxUses === null || used < claim.maxUses
          ? NO_REASONS
          : [reason('REPLAYED', `used ${used} times of ${claim.maxUses}`, 'predicate.validity.maxUses')]
      },
      compared: evaluation => {
        const { claim, view, input } = evaluation
        const itself = input.request.operation === 'continue' ? ' beside its own' : ''
        return claim === null || view === null
          ? 'not applicable'
          : {
              found: `used ${usedByOthers(evaluation)} times${itself}`,
              wanted: claim.maxUses === null ? 'any' : `less than ${claim.maxUses}`,
            }
      },
    },
    {
      name: 'unclean stop',
      reasons: ({ opened, claim, view }) => {
        const since = view?.uncleanSince ?? null
        const notBefore = opened.statement?.predicate.validity.notBefore ?? ''
        // What was not valid before then cannot have been used before; of all else a use may be missing in the log.
        if (claim === null || claim.maxUses === null || since === null || notBefore >= since)
          return NO_REASONS
        const what = `valid before ${since}, and uses from before then may be missing in the log`
        return [reason('REPLAYED', what, 'predicate.validity.maxUses')]
      },
      compared: ({ opened, claim, view }) =>
        claim === null || opened.statement === null
          ? 'not applicable'
          : {
              found: view?.uncleanSince == null ? 'none, or accepted' : `one, until ${view.uncleanSince}`,
              wanted: `none after ${opened.statement.predicate.validity.notBefore} from which uses may be missing`,
            },
    },
  ],
}
