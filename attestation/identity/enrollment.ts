import { randomBytes, timingSafeEqual } from 'node:crypto'
import * as v from 'valibot'
import { canonicalJsonBytes, parseJson } from '../../encoding/json.ts'
import { hexToBytes } from '../../encoding/text.ts'
import type { PrivateKey } from '../../signing/key.ts'
import { readAttestationKey } from './ak.ts'
import { issueAkCertificate } from './ak-certificate.ts'
import { type Credential, endorsementKey, makeCredential } from './credential.ts'
import { type EkChainOptions, type VerifiedEk, verifyEkChain } from './ek.ts'
import { IdentityError } from './error.ts'

/** Bytes of the activation secret; every default EK template takes so many. */
const SECRET_BYTES = 32

export interface EnrollmentRequest {
  /** DER, from the host. */
  readonly ekCertificate: Uint8Array
  /** TPMT_PUBLIC of the AK, from the host. */
  readonly akPublicArea: Uint8Array
}

/** What the operator keeps, in secret and for one answer only, until the host has answered. */
export interface PendingEnrollment {
  readonly secret: Buffer
  readonly akPublicArea: Buffer
  /** Lower-case hexadecimal. */
  readonly ekCertificateSha256: string
  readonly expires: Date
}

/**
 * Operator's side, first step: is this a TPM that the operator's roots vouch for, and is the AK one that only
 * attests? The challenge goes to the host; what has to come back is the secret.
 *
 * @param ttlMs how long an answer is taken
 * @throws IdentityError
 */
export function beginEnrollment(
  request: EnrollmentRequest,
  roots: EkChainOptions,
  ttlMs = 10 * 60_000,
): { challenge: Credential; pending: PendingEnrollment; ek: VerifiedEk } {
  const ek = verifyEkChain(request.ekCertificate, roots)
  const ak = readAttestationKey(request.akPublicArea)
  const secret = randomBytes(SECRET_BYTES)
  const challenge = makeCredential(endorsementKey(ek.leaf.publicKey), ak.name, secret)
  const pending = {
    secret,
    akPublicArea: ak.publicArea,
    ekCertificateSha256: ek.leaf.sha256,
    expires: new Date(roots.at.getTime() + ttlMs),
  }
  return { challenge, pending, ek }
}

/**
 * Operator's side, last step: the right answer shows that the AK is loaded in the TPM that holds the EK, so the operator
 * certifies it. The caller forgets `pending` whatever comes out.
 *
 * @param answer what TPM2_ActivateCredential gave on the host
 * @returns DER of the AK certificate
 * @throws IdentityError `ANSWER_WRONG`, `ENROLLMENT_EXPIRED`
 */
export async function completeEnrollment(
  pending: PendingEnrollment,
  answer: Uint8Array,
  operator: PrivateKey,
  validity: { readonly at: Date; readonly notAfter: Date },
): Promise<Buffer> {
  if (validity.at > pending.expires) {
    throw new IdentityError('ENROLLMENT_EXPIRED', 'the answer came too late')
  }
  if (answer.length !== pending.secret.length || !timingSafeEqual(answer, pending.secret)) {
    throw new IdentityError('ANSWER_WRONG', 'the TPM with this EK does not hold this AK')
  }
  return issueAkCertificate(
    {
      ak: readAttestationKey(pending.akPublicArea),
      ekCertificateSha256: pending.ekCertificateSha256,
      notBefore: validity.at,
      notAfter: validity.notAfter,
    },
    operator,
  )
}

/** A pending enrollment as JSON, for a file that only the operator reads: it holds the secret. */
export function encodePendingEnrollment(pending: PendingEnrollment): Buffer {
  return canonicalJsonBytes({
    secret: pending.secret.toString('hex'),
    akPublicArea: pending.akPublicArea.toString('hex'),
    ekCertificateSha256: pending.ekCertificateSha256,
    expires: pending.expires.toISOString(),
  })
}

const PENDING = v.strictObject({
  secret: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  akPublicArea: v.string(),
  ekCertificateSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  expires: v.pipe(v.string(), v.isoTimestamp()),
})

/** Reads what {@link encodePendingEnrollment} wrote. @throws IdentityError `ENROLLMENT_MALFORMED` */
export function parsePendingEnrollment(bytes: Uint8Array): PendingEnrollment {
  try {
    const { secret, akPublicArea, ekCertificateSha256, expires } = v.parse(PENDING, parseJson(bytes))
    return {
      secret: hexToBytes(secret),
      akPublicArea: hexToBytes(akPublicArea),
      ekCertificateSha256,
      expires: new Date(expires),
    }
  } catch (cause) {
    throw new IdentityError('ENROLLMENT_MALFORMED', 'not a pending enrollment', { cause })
  }
}
