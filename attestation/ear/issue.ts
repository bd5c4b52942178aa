import type { PrivateKey } from '../../signing/key.ts'
import { TRUST_CLAIMS, type TrustTier, type TrustVector, vectorTier } from '../appraisal/claims.ts'
import type { Appraisal } from '../appraise.ts'
import { signWith } from './algorithm.ts'
import { VERAISON_PROFILE } from './profile.ts'

/** What an EAR says beside the appraisal. */
export interface EarContext {
  /** Whose evidence it was: the Name of its attestation key, lower-case hexadecimal. It labels the appraisal. */
  readonly hostId: string
  /** Seconds since 1970. */
  readonly issuedAt: number
  readonly expiresAt?: number
  /** 8 to 64 bytes that the relying party sent. */
  readonly nonce?: Uint8Array
  /** Which verifier says so, such as `writ 0.1.0`. */
  readonly build: string
}

/** A vector that says nothing: of evidence that nobody vouches for. */
export const NO_TRUST_CLAIMS: TrustVector = Object.fromEntries(
  TRUST_CLAIMS.map(claim => [claim, 0]),
) as unknown as TrustVector

/** The claims of an EAR, as JSON says them. */
export type EarDocument = Readonly<Record<string, unknown>>

const DEVELOPER = 'https://writ.dev'

/**
 * An appraisal as the claims of an EAR. The status is the tier of the worst claim, and of a failed appraisal never better than
 * `contraindicated`. Nothing that the host wrote is in it.
 *
 * @throws RangeError for a nonce of another length (a programmer's mistake)
 */
export function earFromAppraisal(
  appraisal: Pick<Appraisal, 'verdict' | 'claims' | 'referenceValuesDigest'>,
  { hostId, issuedAt, expiresAt, nonce, build }: EarContext,
): EarDocument {
  if (nonce !== undefined && (nonce.length < 8 || nonce.length > 64))
    throw new RangeError(`a nonce of ${nonce.length} bytes, not 8 to 64`)
  const said = TRUST_CLAIMS.filter(claim => appraisal.claims[claim] !== 0)
  return {
    eat_profile: VERAISON_PROFILE,
    iat: issuedAt,
    ...(expiresAt === undefined ? {} : { exp: expiresAt }),
    ...(nonce === undefined ? {} : { eat_nonce: Buffer.from(nonce).toString('base64url') }),
    'ear.verifier-id': { developer: DEVELOPER, build },
    submods: {
      [hostId]: {
        'ear.status': statusOf(appraisal),
        // CDDL of AR4SI: a vector has at least one claim.
        ...(said.length === 0
          ? {}
          : {
              'ear.trustworthiness-vector': Object.fromEntries(
                said.map(claim => [claim, appraisal.claims[claim]]),
              ),
            }),
        'ear.appraisal-policy-id': `urn:writ:reference-values:sha256:${appraisal.referenceValuesDigest}`,
      },
    },
  }
}

function statusOf({ verdict, claims }: Pick<Appraisal, 'verdict' | 'claims'>): TrustTier {
  const tier = vectorTier(claims)
  if (verdict === 'fail') return 'contraindicated'
  return verdict === 'degraded' && tier !== 'contraindicated' ? 'warning' : tier
}

/** Signs claims as a JWS in compact form: ES256 by a P-256 key, EdDSA by an Ed25519 key. */
export function signEar(claims: EarDocument, key: PrivateKey): string {
  const algorithm = key.public.algorithm === 'ed25519' ? 'EdDSA' : 'ES256'
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signingInput = `${part({ alg: algorithm, typ: 'JWT' })}.${part(claims)}`
  const signature = signWith(algorithm, key.object, Buffer.from(signingInput))
  return `${signingInput}.${signature.toString('base64url')}`
}
