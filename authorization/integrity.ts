import type { DecisionInput } from './input.ts'
import { type Reason, reason } from './reason.ts'
import type { Authorization } from './statement.ts'

type HostState = Pick<DecisionInput, 'gate' | 'lineage'>

/** The log can be written, the gate is open, and the host is what the artifact asks for. */
export function checkIntegrity(environment: Authorization['environment'] | null, input: HostState): Reason[] {
  const gate = checkGate(input)
  // Behind a closed gate without evidence nothing is known of the host, so nothing of it can be another than what is asked for.
  const unknown = gate.length > 0 && input.gate.evidenceAgeMs === null
  const facts = environment === null || unknown ? [] : checkEnvironment(environment, input)
  return [...checkLineage(input), ...gate, ...facts]
}

function checkLineage({ lineage }: HostState): Reason[] {
  if (lineage === 'ok') return []
  return lineage === 'broken'
    ? [reason('LINEAGE_BROKEN', 'the lineage does not hold together', 'lineage')]
    : [reason('LINEAGE_UNAVAILABLE', 'the lineage cannot be written', 'lineage')]
}

function checkGate({ gate }: HostState): Reason[] {
  if (gate.state === 'FAILED') {
    return [reason('ATTESTATION_FAILED', `the host failed its appraisal: ${why(gate.reasons)}`, 'gate')]
  }
  if (gate.state === 'ATTESTED' && gate.deadlineInMs !== null && gate.deadlineInMs > 0) return []
  const what = gate.state === 'UNATTESTED' ? 'the host is not attested' : 'the evidence is too old'
  return [reason('ATTESTATION_STALE', `${what}: ${why(gate.reasons)}`, 'gate')]
}

function why(reasons: readonly { code: string }[]): string {
  return reasons.map(({ code }) => code).join(', ') || 'no reason is known'
}

function checkEnvironment(wanted: Authorization['environment'], { gate }: HostState): Reason[] {
  const out: Reason[] = []
  const { evidenceAgeMs, referenceValuesDigest: judgedBy, tier } = gate
  if (
    wanted.maxEvidenceAge !== 'any' &&
    evidenceAgeMs !== null &&
    evidenceAgeMs > wanted.maxEvidenceAge * 1000
  ) {
    const what = `the evidence is ${evidenceAgeMs} ms old, ${wanted.maxEvidenceAge} s are allowed`
    out.push(reason('ATTESTATION_STALE', what, 'predicate.environment.maxEvidenceAge'))
  }
  if (wanted.referenceValues !== 'any' && wanted.referenceValues !== judgedBy) {
    const what = 'the host is judged by other reference values'
    out.push(reason('ENVIRONMENT_MISMATCH', what, 'predicate.environment.referenceValues'))
  }
  if (wanted.simulated === 'deny' && tier !== 'hardware') {
    const what = tier === 'simulated' ? 'the TPM is simulated' : 'the TPM is not known to be hardware'
    out.push(reason('ENVIRONMENT_MISMATCH', what, 'predicate.environment.simulated'))
  }
  return out
}
