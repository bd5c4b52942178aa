import type { EarAlgorithm, EarKey } from './algorithm.ts'
import { type EarClaims, readClaims } from './claims.ts'
import { EarError } from './error.ts'
import { parseJws, readObject, verifyJws } from './jws.ts'

/** What the relying party brings. Nothing of it comes from the token. */
export interface EarTrust {
  readonly key: EarKey
  /** What the token may be signed with. */
  readonly algorithms: readonly EarAlgorithm[]
  /** Seconds since 1970; null: the token's times are not checked. */
  readonly now: number | null
  /** The nonce that was asked with, as it stands in `eat_nonce`; null: freshness is not checked. */
  readonly nonce: string | null
}

/**
 * Verifies an EAR: form → algorithm → signature → claims → time → nonce. Claims are given out only when all of it holds. The status of a verified
 * token can be bad: what follows from that is the relying party's to say.
 *
 * @param token controlled by whoever sent it
 * @throws EarError
 */
export function verifyEar(token: string, trust: EarTrust): EarClaims {
  const jws = parseJws(token)
  verifyJws(jws, trust.key, trust.algorithms)
  const claims = readClaims(readObject(jws.payload, 'payload'))
  if (trust.now !== null) checkTimes(claims, trust.now)
  if (trust.nonce !== null && !claims.nonces.includes(trust.nonce))
    throw new EarError('EAR_NONCE_MISMATCH', 'the token does not have the nonce', { at: 'eat_nonce' })
  return claims
}

/** RFC 7519 sections 4.1.4 to 4.1.6. A token of the future has an issuer whose clock cannot be trusted with `exp` either. */
function checkTimes({ issuedAt, expiresAt, notBefore }: EarClaims, now: number): void {
  if (expiresAt !== undefined && now >= expiresAt)
    throw new EarError('EAR_EXPIRED', `expired at ${expiresAt}`, { at: 'exp' })
  if (notBefore !== undefined && now < notBefore)
    throw new EarError('EAR_NOT_YET_VALID', `not valid before ${notBefore}`, { at: 'nbf' })
  if (now < issuedAt) throw new EarError('EAR_NOT_YET_VALID', `issued at ${issuedAt}`, { at: 'iat' })
}
