import { canonicalJson } from '../../encoding/json.ts'
import { type Check, type Compared, NO_REASONS, type NothingToCompare, type StageChecks } from '../check.ts'
import type { Evaluation } from '../evaluation.ts'
import type { GateSnapshot } from '../gate-snapshot.ts'
import { type Reason, reason } from '../reason.ts'
import { lineageReasons } from '../standing.ts'
import type { Authorization } from '../statement.ts'

type Environment = Authorization['environment']

function gateIsOpen(gate: GateSnapshot): readonly Reason[] {
  if (gate.state === 'FAILED') {
    return [reason('ATTESTATION_FAILED', `the host failed its appraisal: ${why(gate.reasons)}`, 'gate')]
  }
  if (gate.state === 'ATTESTED' && gate.deadlineInMs !== null && gate.deadlineInMs > 0) return NO_REASONS
  const what = gate.state === 'UNATTESTED' ? 'the host is not attested' : 'the evidence is too old'
  return [reason('ATTESTATION_STALE', `${what}: ${why(gate.reasons)}`, 'gate')]
}

function why(reasons: readonly { code: string }[]): string {
  return reasons.map(({ code }) => code).join(', ') || 'no reason is known'
}

/**
 * What the artifact asks of the host, if anything is known of the host: behind a closed gate without evidence nothing is, so nothing of it
 * can be another than what is asked for.
 */
function environmentOf({ opened, input: { gate } }: Evaluation): Environment | null {
  if (opened.statement === null) return null
  if (gate.evidenceAgeMs === null && gateIsOpen(gate).length > 0) return null
  return opened.statement.predicate.environment
}

/** A request for an artifact asks nothing of the host; of one with an artifact it is not known what the host is. */
function nothingOf({ opened }: Evaluation): NothingToCompare {
  return opened.statement === null ? 'not applicable' : null
}

function ofHost(
  name: string,
  reasons: (wanted: Environment, gate: GateSnapshot) => readonly Reason[],
  compared: (wanted: Environment, gate: GateSnapshot) => Compared,
): Check {
  return {
    name,
    reasons: evaluation => {
      const environment = environmentOf(evaluation)
      return environment === null ? NO_REASONS : reasons(environment, evaluation.input.gate)
    },
    compared: evaluation => {
      const environment = environmentOf(evaluation)
      return environment === null ? nothingOf(evaluation) : compared(environment, evaluation.input.gate)
    },
  }
}

/** What the terms ask for that this host cannot hold an execution to. It is refused, never left out. */
function unenforceable({ terms, input: { host } }: Evaluation): readonly Reason[] {
  if (terms === null) return NO_REASONS
  const { limits, devices, user } = terms
  const { controllers, devices: known } = host.enforces
  const lacks = (controller: 'memory' | 'pids' | 'cpu') => !controllers.includes(controller)
  const out: Reason[] = []
  const refuse = (what: string, at: string) => out.push(reason('ENVIRONMENT_MISMATCH', what, at))
  for (const name of devices)
    if (!known.includes(name))
      refuse(`this host has no devices that are named ${name}`, 'predicate.scope.devices')
  if (limits.memoryBytes !== null && lacks('memory'))
    refuse('this host cannot limit memory', 'predicate.scope.limits.memoryBytes')
  if (limits.cpuPercent !== null && lacks('cpu'))
    refuse('this host cannot limit processors', 'predicate.scope.limits.cpuPercent')
  // A uid that is the execution's alone can be counted by RLIMIT_NPROC.
  if (limits.pids !== null && lacks('pids') && user !== 'own')
    refuse('this host cannot limit the processes of a shared user', 'predicate.scope.limits.pids')
  return out
}

/** The log can be written, the gate is open, and the host is what the artifact asks for. */
export const INTEGRITY_STAGE: StageChecks = {
  stage: 'integrity',
  checks: [
    {
      name: 'lineage',
      reasons: ({ input }) => lineageReasons(input),
      compared: ({ input }) => ({ found: input.lineage, wanted: 'ok: it can be written' }),
    },
    {
      name: 'gate',
      reasons: ({ input }) => gateIsOpen(input.gate),
      compared: ({ input: { gate } }) => ({
        found: `${gate.state}, epoch ${gate.epoch}, ${gate.deadlineInMs === null ? 'no evidence counts' : `the evidence counts for ${gate.deadlineInMs} ms more`}`,
        wanted: 'ATTESTED, with time left',
      }),
    },
    ofHost(
      'evidence age',
      ({ maxEvidenceAge }, { evidenceAgeMs }) => {
        if (maxEvidenceAge === 'any' || evidenceAgeMs === null || evidenceAgeMs <= maxEvidenceAge * 1000)
          return NO_REASONS
        const what = `the evidence is ${evidenceAgeMs} ms old, ${maxEvidenceAge} s are allowed`
        return [reason('ATTESTATION_STALE', what, 'predicate.environment.maxEvidenceAge')]
      },
      ({ maxEvidenceAge }, { evidenceAgeMs }) => ({
        found: evidenceAgeMs === null ? 'not known' : `${evidenceAgeMs} ms`,
        wanted: maxEvidenceAge === 'any' ? 'any' : `at most ${maxEvidenceAge} s`,
      }),
    ),
    ofHost(
      'reference values',
      ({ referenceValues }, { referenceValuesDigest }) => {
        if (referenceValues === 'any' || referenceValues === referenceValuesDigest) return NO_REASONS
        const what = 'the host is judged by other reference values'
        return [reason('ENVIRONMENT_MISMATCH', what, 'predicate.environment.referenceValues')]
      },
      ({ referenceValues }, { referenceValuesDigest }) => ({
        found: referenceValuesDigest ?? 'none',
        wanted: referenceValues,
      }),
    ),
    ofHost(
      'tpm',
      ({ simulated }, { tier }) => {
        if (simulated !== 'deny' || tier === 'hardware') return NO_REASONS
        const what = tier === 'simulated' ? 'the TPM is simulated' : 'the TPM is not known to be hardware'
        return [reason('ENVIRONMENT_MISMATCH', what, 'predicate.environment.simulated')]
      },
      ({ simulated }, { tier }) => ({ found: tier, wanted: simulated === 'deny' ? 'hardware' : 'any' }),
    ),
    ofHost(
      'boot',
      ({ resetCount: wanted }, { resetCount }) => {
        if (wanted === 'any' || wanted === resetCount) return NO_REASONS
        const what = `the host is in another boot: reset count ${resetCount ?? 'not known'}`
        return [reason('ENVIRONMENT_MISMATCH', what, 'predicate.environment.resetCount')]
      },
      ({ resetCount: wanted }, { resetCount }) => ({
        found: resetCount === null ? 'not known' : `reset count ${resetCount}`,
        wanted: wanted === 'any' ? 'any' : `reset count ${wanted}`,
      }),
    ),
    {
      name: 'enforceable',
      reasons: unenforceable,
      compared: ({ terms, input: { host } }) =>
        terms === null
          ? null
          : {
              found: canonicalJson(host.enforces),
              wanted: canonicalJson({ devices: terms.devices, limits: terms.limits }),
            },
    },
  ],
}
