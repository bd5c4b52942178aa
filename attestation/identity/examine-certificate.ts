import { sha256Hex } from '../../encoding/digest.ts'
import { AK_PURPOSE } from './ak-certificate.ts'
import { type Certificate, KEY_USAGE } from './certificate.ts'
import { type ChainOptions, type VerifiedChain, verifyChain } from './chain.ts'
import { nameText } from './distinguished-name.ts'
import { verifyEkChain } from './ek.ts'
import { IdentityError, type IdentityErrorCode } from './error.ts'
import { manufacturerName } from './manufacturer.ts'
import type { RevocationStatus } from './revocation.ts'
import {
  readTpmAttributes,
  readTpmSpecification,
  type TpmAttributes,
  type TpmSpecification,
} from './tpm-attributes.ts'

/** What a certificate is to be: that of an endorsement key, that of an attestation key, or any. */
export type CertificateRole = 'ek' | 'ak' | 'any'

/** What is wrong with a certificate or with one above it. */
export interface CertificateReason {
  readonly code: IdentityErrorCode
  readonly message: string
  /** SHA-256 of the certificate that is at fault, or where it was given. */
  readonly at?: string
}

/** One certificate of the path. */
export interface PathCertificate {
  readonly subject: string
  readonly issuer: string
  readonly serial: string
  readonly sha256: string
  readonly notBefore: string
  readonly notAfter: string
  /** `root` for the trust anchor, on whose revocation nobody but the verifier has a say. */
  readonly revocation: RevocationStatus | 'root'
}

/** What was found. What stands beside `verified` is the issuer's claim, and null as long as no path verified. */
export interface CertificateFinding {
  readonly verified: boolean
  readonly reasons: readonly CertificateReason[]
  readonly tpm: (TpmAttributes & { readonly manufacturerName: string | null }) | null
  readonly specification: TpmSpecification | null
  readonly path: readonly PathCertificate[]
  /** When all certificates of the path are valid. */
  readonly validity: { readonly notBefore: string; readonly notAfter: string } | null
  readonly key: { readonly type: string; readonly size: string; readonly spkiSha256: string } | null
}

/**
 * Verifies a certificate of a TPM's key against roots that the verifier brings, as one of its role, and says what it says. Pure; nothing
 * that a certificate contains makes it throw.
 */
export function examineCertificate(
  der: Uint8Array,
  role: CertificateRole,
  options: Omit<ChainOptions, 'purpose'>,
): CertificateFinding {
  try {
    const chain = verifyAs(der, role, options)
    const { leaf, path } = chain
    return {
      verified: true,
      reasons: [],
      tpm: tpmOf(leaf),
      specification: readTpmSpecification(leaf),
      path: path.map((certificate, i) => pathCertificate(certificate, path[i + 1], options)),
      validity: {
        notBefore: new Date(Math.max(...path.map(c => c.notBefore.getTime()))).toISOString(),
        notAfter: new Date(Math.min(...path.map(c => c.notAfter.getTime()))).toISOString(),
      },
      key: keyOf(leaf),
    }
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error
    const { code, message, at } = error
    const reason = { code, message, ...(at === undefined ? {} : { at }) }
    return {
      verified: false,
      reasons: [reason],
      tpm: null,
      specification: null,
      path: [],
      validity: null,
      key: null,
    }
  }
}

function verifyAs(
  der: Uint8Array,
  role: CertificateRole,
  options: Omit<ChainOptions, 'purpose'>,
): VerifiedChain {
  const { roots, ...rest } = options
  switch (role) {
    case 'ek':
      return verifyEkChain(der, { ...rest, hardwareRoots: roots, otherRoots: [] })
    case 'ak': {
      const chain = verifyChain(der, { ...options, purpose: AK_PURPOSE })
      checkSigner(chain.leaf)
      return chain
    }
    case 'any':
      return verifyChain(der, options)
  }
}

/** An attestation key signs, and is no CA (TCG AIK Certificate Profile 1.0, section 3.2). */
function checkSigner({ keyUsage, basicConstraints, sha256 }: Certificate): void {
  if (basicConstraints?.ca || (keyUsage !== null && !(keyUsage & KEY_USAGE.digitalSignature))) {
    throw new IdentityError('KEY_USAGE', 'the certificate is not one for an attestation key', { at: sha256 })
  }
}

function tpmOf(leaf: Certificate): CertificateFinding['tpm'] {
  const tpm = readTpmAttributes(leaf)
  return tpm && { ...tpm, manufacturerName: manufacturerName(tpm.manufacturer) }
}

function pathCertificate(
  certificate: Certificate,
  issuer: Certificate | undefined,
  { revocations }: Pick<ChainOptions, 'revocations'>,
): PathCertificate {
  return {
    subject: nameText(certificate.subject),
    issuer: nameText(certificate.issuer),
    serial: certificate.serial,
    sha256: certificate.sha256,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    revocation: issuer === undefined ? 'root' : (revocations?.status(certificate, issuer) ?? 'unknown'),
  }
}

function keyOf({ publicKey }: Certificate): NonNullable<CertificateFinding['key']> {
  const { modulusLength, namedCurve } = publicKey.asymmetricKeyDetails ?? {}
  return {
    type: publicKey.asymmetricKeyType ?? 'unknown',
    size: namedCurve ?? (modulusLength === undefined ? '' : `${modulusLength} bits`),
    spkiSha256: sha256Hex(publicKey.export({ type: 'spki', format: 'der' })),
  }
}
