import { type Reason, reason } from './reason.ts'

/** One key of an authority, and for whom, in which part and when its signature counts. */
export interface KeyTerms {
  /** The person or service that has the key. Two keys of one holder are one voice. */
  readonly holder: string
  readonly role: 'approver' | 'requester'
  readonly notBefore: string
  /** At this instant it has ended. */
  readonly notAfter: string
}

/** A signature that verified, by a key of the artifact's issuer. */
export interface ArtifactSigner extends KeyTerms {
  readonly keyId: string
}

/** What an authority asks of the signatures of its artifacts. */
export interface SigningRule {
  readonly authority: string
  /** How many distinct holders have to approve. */
  readonly threshold: number
  /** `required`: somebody has to have asked for it as well, whose own approval does not count. */
  readonly requester: 'required' | 'none'
}

/** Who signed an artifact, and what its issuer asks. `rule` is null when nobody may sign for the issuer. */
export interface Signed {
  readonly rule: SigningRule | null
  /** In the order of the trust roots. */
  readonly by: readonly ArtifactSigner[]
}

/** What the signatures come to at one moment. */
export interface SignersFound {
  /** Whether they are what the authority asks. */
  readonly met: boolean
  /** Ids of the keys that count at this moment. */
  readonly keyIds: readonly string[]
  /** Who asked for it; null if nobody did, or the authority does not ask. */
  readonly requester: string | null
  /** The holders whose approval counts, each once. */
  readonly approvers: readonly string[]
  /** How many more of them are needed. */
  readonly missing: number
}

export const NOT_SIGNED: Signed = { rule: null, by: [] }

/** The state of a key's window at an instant. Both are RFC 3339 in one fixed form, which sorts as time does. */
export function windowAt(
  { notBefore, notAfter }: Pick<KeyTerms, 'notBefore' | 'notAfter'>,
  now: string,
): 'early' | 'open' | 'over' {
  if (notBefore !== 'any' && now < notBefore) return 'early'
  return notAfter !== 'any' && now >= notAfter ? 'over' : 'open'
}

/**
 * Counts signatures: distinct holders of approving keys whose window is open. Where a requester is required, the one is taken that
 * leaves most approvals standing: a signature can be left out of an envelope by whoever hands it on, so that one more never takes
 * anything away.
 *
 * @param now RFC 3339 in UTC with milliseconds
 * @param isRevoked says of a key's id whether its signatures count no more
 */
export function countSigners(
  { rule, by }: Signed,
  now: string,
  isRevoked: (keyId: string) => boolean = () => false,
): SignersFound {
  const good = by.filter(signer => windowAt(signer, now) === 'open' && !isRevoked(signer.keyId))
  const holders = (role: KeyTerms['role']) => [
    ...new Set(good.filter(signer => signer.role === role).map(({ holder }) => holder)),
  ]
  const approvals = holders('approver')
  const keyIds = good.map(({ keyId }) => keyId)
  if (rule === null) return { met: false, keyIds, requester: null, approvers: approvals, missing: 1 }
  const requesters = rule.requester === 'none' ? [] : holders('requester')
  const requester = requesters.find(holder => !approvals.includes(holder)) ?? requesters[0] ?? null
  const approvers = approvals.filter(holder => holder !== requester)
  const missing = Math.max(0, rule.threshold - approvers.length)
  const asked = rule.requester === 'none' || requester !== null
  return { met: missing === 0 && asked, keyIds, requester, approvers, missing }
}

/** Why signatures of an artifact are not enough at this moment; empty if they are. */
export function signersMissing(signed: Signed, now: string): Reason[] {
  const { rule, by } = signed
  const found = countSigners(signed, now)
  if (rule === null || found.met) return []
  const closed = by.flatMap(signer => {
    const window = windowAt(signer, now)
    if (window === 'open') return []
    const when = window === 'early' ? `only from ${signer.notBefore}` : `only until ${signer.notAfter}`
    return [
      reason('SIGNER_UNTRUSTED', `the key ${signer.keyId} of ${signer.holder} counts ${when}`, 'signatures'),
    ]
  })
  // Of nobody whose signature counts, that is all there is to say.
  if (found.keyIds.length === 0) return closed
  return [...closed, ...shortOf(rule, found, approvedByRequester(signed, now, found))]
}

function approvedByRequester({ by }: Signed, now: string, { requester }: SignersFound): boolean {
  return by.some(
    signer => signer.role === 'approver' && signer.holder === requester && windowAt(signer, now) === 'open',
  )
}

/** What is missing, in words. */
export function shortOf(
  { authority, threshold, requester: asks }: SigningRule,
  { requester, approvers, missing }: Pick<SignersFound, 'requester' | 'approvers' | 'missing'>,
  ownApproval: boolean,
): Reason[] {
  const out: Reason[] = []
  if (asks === 'required' && requester === null) {
    out.push(
      reason('THRESHOLD_NOT_MET', `no requester of ${authority} signed, and one is required`, 'signatures'),
    )
  }
  if (missing > 0) {
    const own = ownApproval ? `; the approval of ${requester}, who asked for it, does not count` : ''
    const what = `${approvers.length} of ${authority} approved, ${threshold} are needed${own}`
    out.push(reason('THRESHOLD_NOT_MET', what, 'signatures'))
  }
  return out
}
