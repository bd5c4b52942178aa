import { NO_REASONS } from './check.ts'
import type { DecisionInput } from './input.ts'
import { lapseOf } from './policy/compiled.ts'
import { type Reason, reason } from './reason.ts'
import { countSigners } from './signers.ts'
import { trustLapseOf } from './trust.ts'

/** What of a decision's input is the host's, and the same for every request. */
export type Standing = Pick<
  DecisionInput,
  'host' | 'lineage' | 'trustRoots' | 'policy' | 'revocations' | 'clock' | 'minting'
>

/** Whether the log takes decisions. */
export function lineageReasons({ lineage }: Pick<Standing, 'lineage'>): readonly Reason[] {
  if (lineage === 'ok') return NO_REASONS
  return lineage === 'broken'
    ? [reason('LINEAGE_BROKEN', 'the lineage does not hold together', 'lineage')]
    : [reason('LINEAGE_UNAVAILABLE', 'the lineage cannot be written', 'lineage')]
}

/** Trust roots that have ended permit nothing: whoever keeps newer ones from a host must not keep old keys in force by it. */
export function trustRootsReasons({
  trustRoots,
  clock,
}: Pick<Standing, 'trustRoots' | 'clock'>): readonly Reason[] {
  const lapse = trustRoots === null ? null : trustLapseOf(trustRoots, clock.now)
  return lapse === null ? NO_REASONS : [reason('SIGNER_UNTRUSTED', lapse, 'trustRoots.notAfter')]
}

export function clockReasons({ clock }: Pick<Standing, 'clock'>): readonly Reason[] {
  return clock.trusted
    ? NO_REASONS
    : [reason('CLOCK_UNTRUSTED', 'the wall clock cannot be relied on', 'clock')]
}

export function policyInForceReasons({ policy }: Pick<Standing, 'policy'>): readonly Reason[] {
  return policy === null ? [reason('POLICY_ERROR', 'no policy is in force', 'policy')] : NO_REASONS
}

export function policyValidityReasons({
  policy,
  clock,
}: Pick<Standing, 'policy' | 'clock'>): readonly Reason[] {
  const lapse = policy === null ? null : lapseOf(policy, clock.now)
  return lapse === null ? NO_REASONS : [reason('POLICY_ERROR', lapse, 'policy')]
}

/**
 * Why every request is denied now, whatever is asked and whoever asks, beside the gate: in the order of the stages. Nothing where one could be
 * permitted; whether one is depends on what it asks for. Decides nothing itself.
 */
export function standingReasons(standing: Standing): Reason[] {
  const { host, policy, revocations } = standing
  const nobody = { artifactDigest: null, subjectDigests: [], executionIds: [] }
  const revoked = revocations.hits({ ...nobody, hostId: host.id, policyDigest: policy?.digest ?? null })
  return [
    ...trustRootsReasons(standing),
    ...signerReasons(standing),
    ...clockReasons(standing),
    ...lineageReasons(standing),
    ...policyInForceReasons(standing),
    ...policyValidityReasons(standing),
    ...revoked.map(({ kind, id }) => reason('REVOKED', `the ${kind} ${id} is revoked`, kind)),
  ]
}

/** Whether there is anybody whose artifacts could count: an authority with enough keys, or the host itself. */
function signerReasons({ trustRoots, minting, clock, revocations }: Standing): readonly Reason[] {
  if (minting.enabled) return NO_REASONS
  if (trustRoots === null) return [reason('SIGNER_UNTRUSTED', 'no trust roots are in force', 'trustRoots')]
  const isRevoked = (keyId: string) => revocations.has('key', keyId)
  const some = [...trustRoots.authorities.values()].some(authority => {
    const by = authority.keys.map(({ key, ...terms }) => ({ keyId: key.id, ...terms }))
    return countSigners({ rule: authority, by }, clock.now, isRevoked).met
  })
  if (some) return NO_REASONS
  const what = `the trust roots, version ${trustRoots.version}, have no authority with enough keys that count`
  return [reason('SIGNER_UNTRUSTED', what, 'trustRoots.authorities')]
}
