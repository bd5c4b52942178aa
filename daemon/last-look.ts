import type { Reason } from '../authorization/index.ts'
import { DeniedError } from './core.ts'
import type { ExecutionRegistry } from './execution-registry.ts'
import type { TrustGate } from './gate.ts'
import type { History } from './history/history.ts'
import type { Permit } from './permit.ts'
import { instantsOf } from './validity-watch.ts'
import type { WallClock } from './wall-clock.ts'

/** What the look is at. */
export interface Looked {
  readonly gate: TrustGate
  readonly history: History
  readonly registry: ExecutionRegistry
  readonly clock: Pick<WallClock, 'now'>
}

/**
 * Looks at what may have lapsed while START was made durable. The launcher looks at epoch and deadlines again, in C.
 *
 * @param endRevoked ends what the revocations in force hit, and says which executions those are
 * @param reconsider why the policy, the trust roots, the labels and the revocations in force now would not permit it
 * @throws DeniedError with every reason for which it may not run any more
 */
export function lookOnceMore(
  { input, decision }: Permit,
  { gate, history, registry, clock }: Looked,
  endRevoked: () => readonly string[],
  reconsider: () => readonly Reason[],
): void {
  const now = gate.snapshot()
  const reasons: Pick<Reason, 'code' | 'message'>[] = []
  if (now.state !== 'ATTESTED' || now.epoch !== BigInt(input.gate.epoch)) {
    const code = now.state === 'FAILED' ? 'ATTESTATION_FAILED' : 'ATTESTATION_STALE'
    reasons.push({ code, message: 'the gate closed before the first instruction' })
  }
  if (
    history.revocations.digest !== input.revocations.digest &&
    endRevoked().includes(input.request.executionId)
  ) {
    reasons.push({ code: 'REVOKED', message: 'revoked before the first instruction' })
  }
  const wall = clock.now()
  if (wall.untrusted !== null) reasons.push({ code: 'CLOCK_UNTRUSTED', message: wall.untrusted })
  if (decision.terms !== null && wall.ms >= Date.parse(decision.terms.notAfter)) {
    reasons.push({ code: 'ARTIFACT_EXPIRED', message: 'expired before the first instruction' })
  }
  const rules = [history, input].map(({ policy, trustRoots, hostLabels, revocations }) =>
    [policy, trustRoots, hostLabels, revocations].map(rule => rule?.digest ?? ''),
  )
  const decidedMs = Date.parse(input.clock.now)
  const sameRules =
    String(rules[0]) === String(rules[1]) &&
    (now.facts === null || now.facts.referenceValuesDigest === input.gate.referenceValuesDigest) &&
    !instantsOf(history).some(instant => instant > decidedMs && instant <= wall.ms)
  // Whoever changed them, or saw one begin or end to count, has ended what was known to run; this was not yet among it.
  if (!sameRules) reasons.push(...reconsider())
  const parent = input.caller?.parentExecution
  if (parent && registry.get(parent)?.state !== 'RUNNING') {
    reasons.push({ code: 'PARENT_ENDED', message: 'the parent ended before the first instruction' })
  }
  if (reasons.length > 0)
    throw new DeniedError(reasons.map(({ code, message }) => ({ code, message, at: '' })))
}
