import { OPENING, type Opening } from '../artifact.ts'
import { type Check, type Compared, NO_REASONS, type NothingToCompare, type StageChecks } from '../check.ts'
import { asksToMint, type Evaluation } from '../evaluation.ts'
import { labelsInForce } from '../host-labels.ts'
import type { DecisionInput } from '../input.ts'
import { type Reason, reason } from '../reason.ts'
import { isBelow } from '../scope.ts'
import { countSigners, signersMissing } from '../signers.ts'
import { clockReasons, trustRootsReasons } from '../standing.ts'
import type { Authorization } from '../statement.ts'

type Circumstances = Pick<DecisionInput, 'clock' | 'host' | 'hostLabels' | 'caller' | 'parent' | 'gate'>

/** A check of what the artifact says; there is nothing to look at unless it could be read. */
function ofArtifact(
  name: string,
  reasons: (predicate: Authorization, input: Circumstances) => readonly Reason[],
  compared: (predicate: Authorization, input: Circumstances) => Compared | null,
): Check {
  return {
    name,
    reasons: ({ opened, input }) =>
      opened.statement === null ? NO_REASONS : reasons(opened.statement.predicate, input),
    compared: ({ sent, opened, input }) =>
      opened.statement === null
        ? asksToMint({ sent, input })
          ? 'not applicable'
          : null
        : compared(opened.statement.predicate, input),
  }
}

const OPENED: Readonly<Record<Opening, (evaluation: Evaluation) => Compared | null>> = {
  envelope: ({ sent }) => ({
    found: sent === null ? 'no artifact' : `${sent.size} bytes, ${sent.digest}`,
    wanted: 'one DSSE envelope of an in-toto statement',
  }),
  signatures: ({ sent, opened, input }) =>
    sent === null || opened.faults.envelope.length > 0
      ? null
      : {
          found:
            opened.signed.by.length === 0
              ? 'no key of the issuer'
              : `keys ${opened.signed.by.map(({ keyId }) => keyId).join(', ')}`,
          wanted:
            input.trustRoots === null
              ? 'a trusted key, and no trust roots are in force'
              : `one of the ${input.trustRoots.keys.length} keys of the trust roots ${input.trustRoots.digest}`,
        },
  statement: ({ opened }) =>
    opened.digest === null
      ? null
      : { found: `the payload ${opened.digest}`, wanted: 'an authorization, each field of it known' },
  issuer: ({ opened }) =>
    opened.statement === null || opened.faults.signatures.length > 0
      ? null
      : {
          found: `${opened.signed.by.length} keys of ${opened.statement.predicate.issuer}`,
          wanted: 'a signature by a key that may sign for it',
        },
}

function opening(name: Opening): Check {
  return {
    name,
    reasons: evaluation => (asksToMint(evaluation) ? NO_REASONS : evaluation.opened.faults[name]),
    compared: evaluation => (asksToMint(evaluation) ? 'not applicable' : OPENED[name](evaluation)),
  }
}

/** Who signed is enough of the issuer's people, at this moment. */
function signers({ opened, input: { clock } }: Evaluation): readonly Reason[] {
  if (opened.statement === null || opened.faults.signatures.length > 0 || opened.faults.issuer.length > 0)
    return NO_REASONS
  return signersMissing(opened.signed, clock.now)
}

function saySigners({ opened, sent, input }: Evaluation): Compared | NothingToCompare {
  const { rule } = opened.signed
  if (asksToMint({ sent, input })) return 'not applicable'
  if (opened.statement === null || rule === null || opened.signed.by.length === 0) return null
  const { requester, approvers } = countSigners(opened.signed, input.clock.now)
  const asks = rule.requester === 'required'
  return {
    found: `approved by ${listed(approvers) || 'nobody'}${asks ? `, asked for by ${requester ?? 'nobody'}` : ''}`,
    wanted: `approvals of ${rule.threshold}${asks ? ', and a requester who is none of them' : ''}`,
  }
}

function validity({ validity }: Authorization, { clock }: Circumstances): readonly Reason[] {
  // Both are RFC 3339 in one fixed form, which sorts as time does.
  if (clock.now < validity.notBefore) {
    return [
      reason('ARTIFACT_NOT_YET_VALID', `valid from ${validity.notBefore}`, 'predicate.validity.notBefore'),
    ]
  }
  if (clock.now >= validity.notAfter) {
    return [reason('ARTIFACT_EXPIRED', `valid until ${validity.notAfter}`, 'predicate.validity.notAfter')]
  }
  return NO_REASONS
}

function minted({ validity, audience }: Authorization, { clock, gate, host }: Circumstances): Reason[] {
  const out: Reason[] = []
  if (validity.maxUses !== 1) {
    out.push(reason('ARTIFACT_MALFORMED', 'minted for more than one use', 'predicate.validity.maxUses'))
  }
  if (audience.hosts === 'any' || audience.hosts.some(id => id !== host.id)) {
    out.push(reason('AUDIENCE_MISMATCH', 'minted for more than this host', 'predicate.audience.hosts'))
  }
  const deadline = gate.deadlineInMs === null ? null : Date.parse(clock.now) + gate.deadlineInMs
  if (deadline !== null && Date.parse(validity.notAfter) > deadline) {
    out.push(reason('ATTESTATION_STALE', 'minted to outlive the evidence', 'predicate.validity.notAfter'))
  }
  return out
}

function audience(
  { audience }: Authorization,
  { host, hostLabels, clock }: Circumstances,
): readonly Reason[] {
  const out: Reason[] = []
  const refuse = (what: string, at: string) => out.push(reason('AUDIENCE_MISMATCH', what, at))
  if (audience.hosts !== 'any' && !audience.hosts.includes(host.id))
    refuse('the artifact is for other hosts', 'predicate.audience.hosts')
  const labels = labelsInForce(hostLabels, clock.now)
  if (audience.labels !== 'any' && !audience.labels.some(label => labels.includes(label)))
    refuse('the artifact is for hosts with other labels', 'predicate.audience.labels')
  return out
}

function initiator({ initiator, parent }: Authorization, { caller }: Circumstances): readonly Reason[] {
  if (caller === null) return NO_REASONS
  const out: Reason[] = []
  const refuse = (what: string, at: string) => out.push(reason('INITIATOR_MISMATCH', what, at))
  const { uids, gids, units, cgroups, programs } = initiator
  if (uids !== 'any' && !uids.includes(caller.uid))
    refuse(`not for uid ${caller.uid}`, 'predicate.initiator.uids')
  if (gids !== 'any' && !gids.includes(caller.gid))
    refuse(`not for gid ${caller.gid}`, 'predicate.initiator.gids')
  if (units !== 'any' && (caller.unit === null || !units.includes(caller.unit)))
    refuse(`not for ${caller.unit ?? 'a caller in no unit'}`, 'predicate.initiator.units')
  if (cgroups !== 'any' && !cgroups.some(top => isBelow(caller.cgroup, top)))
    refuse(`not for ${caller.cgroup || 'a caller in no known cgroup'}`, 'predicate.initiator.cgroups')
  if (programs !== 'any' && (caller.program === null || !programs.includes(caller.program)))
    refuse(
      caller.program === null ? "the caller's program is not known" : `not for the program ${caller.program}`,
      'predicate.initiator.programs',
    )
  const wanted = parent.execution
  const fits =
    wanted === 'any' ||
    (wanted === 'none' ? caller.parentExecution === null : caller.parentExecution === wanted)
  if (!fits) {
    const what = wanted === 'none' ? 'not for a child of an execution' : `only for a child of ${wanted}`
    out.push(reason('INITIATOR_MISMATCH', what, 'predicate.parent.execution'))
  }
  return out
}

/** The parent is known and goes on. Also for a request without an artifact. */
function parent({ caller, parent }: Circumstances): readonly Reason[] {
  if (caller === null || caller.parentExecution === null) return NO_REASONS
  if (parent !== null && parent.executionId === caller.parentExecution && parent.live) return NO_REASONS
  return [reason('PARENT_ENDED', `execution ${caller.parentExecution} is not running`, 'caller')]
}

const listed = (values: 'any' | readonly (string | number)[]): string =>
  values === 'any' ? 'any' : values.join(', ')

/** Who asks, the artifact, and the moment, the host and the caller that it is for. Nothing has been opened so far. */
export const ARTIFACT_STAGE: StageChecks = {
  stage: 'artifact',
  checks: [
    {
      name: 'fault',
      reasons: ({ input: { fault } }) => (fault === null ? NO_REASONS : [reason(fault.code, fault.message)]),
      compared: ({ input: { fault } }) => ({
        found: fault?.message ?? 'nothing in the way',
        wanted: 'a host that can do what is asked',
      }),
    },
    {
      name: 'caller',
      reasons: ({ input: { caller } }) =>
        caller === null
          ? [reason('CALLER_UNKNOWN', 'the kernel did not say who asks', 'caller')]
          : NO_REASONS,
      compared: ({ input: { caller } }) => ({
        found:
          caller === null
            ? 'nobody'
            : `uid ${caller.uid}, gid ${caller.gid}, pid ${caller.pid}, ${caller.unit ?? caller.cgroup}`,
        wanted: 'who asks, from the kernel',
      }),
    },
    ...OPENING.map(opening),
    { name: 'signers', reasons: signers, compared: saySigners },
    {
      name: 'trust roots',
      reasons: ({ input }) => trustRootsReasons(input),
      compared: ({ input: { trustRoots, clock } }) =>
        trustRoots === null
          ? 'not applicable'
          : { found: clock.now, wanted: `before ${trustRoots.notAfter}, when the trust roots end` },
    },
    {
      name: 'clock',
      reasons: ({ input }) => clockReasons(input),
      compared: ({ input: { clock } }) => ({
        found: clock.now,
        wanted: "a wall clock that agrees with the TPM's and the lineage",
      }),
    },
    ofArtifact('validity', validity, ({ validity }, { clock }) => ({
      found: clock.now,
      wanted: `from ${validity.notBefore} until before ${validity.notAfter}`,
    })),
    {
      name: 'minted',
      reasons: ({ opened, input }) =>
        opened.minted && opened.statement !== null ? minted(opened.statement.predicate, input) : NO_REASONS,
      compared: ({ sent, opened, input }) =>
        opened.statement === null || !opened.minted
          ? opened.statement !== null || asksToMint({ sent, input })
            ? 'not applicable'
            : null
          : {
              found: `${opened.statement.predicate.validity.maxUses} uses, for ${listed(opened.statement.predicate.audience.hosts)}, until ${opened.statement.predicate.validity.notAfter}`,
              wanted: `one use, for ${input.host.id}, within the ${input.gate.deadlineInMs ?? 0} ms that the evidence still counts`,
            },
    },
    ofArtifact('audience', audience, ({ audience }, { host, hostLabels, clock }) => ({
      found: `host ${host.id}, labels ${labelsInForce(hostLabels, clock.now).join(', ') || 'none'}`,
      wanted: `host ${listed(audience.hosts)}; label ${listed(audience.labels)}`,
    })),
    ofArtifact('initiator', initiator, ({ initiator, parent }, { caller }) =>
      caller === null
        ? null
        : {
            found: `uid ${caller.uid}, gid ${caller.gid}, unit ${caller.unit ?? 'none'}, cgroup ${caller.cgroup || 'not known'}, program ${caller.program ?? 'not known'}, parent ${caller.parentExecution ?? 'none'}`,
            wanted: `uid ${listed(initiator.uids)}; gid ${listed(initiator.gids)}; unit ${listed(initiator.units)}; cgroup ${listed(initiator.cgroups)}; program ${listed(initiator.programs)}; parent ${parent.execution}`,
          },
    ),
    {
      name: 'parent',
      reasons: ({ input }) => parent(input),
      compared: ({ input: { caller, parent } }) =>
        caller === null || caller.parentExecution === null
          ? caller && 'not applicable'
          : {
              found: `execution ${caller.parentExecution}, ${parent?.live ? 'running' : 'not running'}`,
              wanted: 'a parent that is running',
            },
    },
  ],
}
