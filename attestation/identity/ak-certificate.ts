import { randomBytes, webcrypto } from 'node:crypto'
import type { PrivateKey, PublicKey } from '../../signing/key.ts'
import type { AttestationKey } from './ak.ts'
import { type Certificate, KEY_USAGE, parseCertificate } from './certificate.ts'
import { checkCriticalExtensions, checkValidity } from './chain.ts'
import { IdentityError } from './error.ts'
import { uris } from './name-constraints.ts'
import * as x509 from './x509.ts'

/** tcg-kp-AIKCertificate (TCG OID Registry; TCG AIK Certificate Profile 1.0, section 3.2). */
export const AK_PURPOSE = '2.23.133.8.3'

/** Tag URIs (RFC 4151) in the subject alternative name that bind the certificate to the AK's Name and the EK. */
const AK_NAME_TAG = 'tag:writ.dev,2026:ak-name:'
const EK_CERTIFICATE_TAG = 'tag:writ.dev,2026:ek-certificate-sha256:'

export interface AkCertificateFields {
  readonly ak: AttestationKey
  /** Lower-case hexadecimal SHA-256 of the DER of the EK certificate that the AK was activated under. */
  readonly ekCertificateSha256: string
  /** Whole seconds; X.509 has no finer time. */
  readonly notBefore: Date
  readonly notAfter: Date
}

/**
 * Issues the certificate that says: this AK is in the TPM with that EK, and the operator saw it prove so.
 *
 * @param operator the operator's key; Ed25519 or P-256
 * @returns DER
 */
export async function issueAkCertificate(fields: AkCertificateFields, operator: PrivateKey): Promise<Buffer> {
  const { ak, ekCertificateSha256, notBefore, notAfter } = fields
  if (!(notBefore < notAfter)) throw new TypeError('an AK certificate has to be valid for some time')
  const algorithm =
    operator.public.algorithm === 'ed25519' ? { name: 'Ed25519' } : { name: 'ECDSA', namedCurve: 'P-256' }
  const certificate = await x509.X509CertificateGenerator.create(
    {
      // RFC 5280 section 4.1.2.2: positive, at most 20 bytes.
      serialNumber: Buffer.concat([
        Buffer.of(0x40 | (randomBytes(1).readUInt8() & 0x3f)),
        randomBytes(15),
      ]).toString('hex'),
      subject: [{ CN: [`Writ host ${ak.name.toString('hex').slice(0, 20)}`] }],
      issuer: [{ CN: [`Writ operator ${operator.public.id.slice(0, 16)}`] }],
      notBefore,
      notAfter,
      publicKey: ak.publicKey.export({ type: 'spki', format: 'der' }),
      signingKey: operator.object.toCryptoKey(algorithm, false, ['sign']),
      signingAlgorithm: algorithm.name === 'ECDSA' ? { name: 'ECDSA', hash: 'SHA-256' } : algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(KEY_USAGE.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([AK_PURPOSE], true),
        new x509.SubjectAlternativeNameExtension([
          { type: 'url', value: AK_NAME_TAG + ak.name.toString('hex') },
          { type: 'url', value: EK_CERTIFICATE_TAG + ekCertificateSha256 },
        ]),
      ],
    },
    webcrypto as Crypto,
  )
  return Buffer.from(certificate.rawData)
}

/** What a verified AK certificate says. */
export interface VerifiedAkCertificate {
  readonly akName: string
  /** The EK certificate that the operator activated the AK under: its chain is another property, verified on its own. */
  readonly ekCertificateSha256: string
  readonly notBefore: Date
  readonly notAfter: Date
}

/**
 * Verifies an AK certificate against the operator's key, which the verifier brings.
 *
 * @param der controlled by whoever brings the evidence
 * @param ak the attestation key that signed the quote
 * @throws IdentityError
 */
export function verifyAkCertificate(
  der: Uint8Array,
  operator: PublicKey,
  ak: AttestationKey,
  at: Date,
): VerifiedAkCertificate {
  const certificate = parseCertificate(der, 'AK certificate')
  checkOperatorSignature(certificate, operator)
  checkValidity(certificate, at)
  checkCriticalExtensions(certificate)
  checkAkProfile(certificate)
  const akName = tagged(certificate, AK_NAME_TAG)
  const ekCertificateSha256 = tagged(certificate, EK_CERTIFICATE_TAG)
  checkSameKey(certificate, akName, ak)
  return { akName, ekCertificateSha256, notBefore: certificate.notBefore, notAfter: certificate.notAfter }
}

function checkOperatorSignature(certificate: Certificate, operator: PublicKey): void {
  let valid = false
  try {
    valid = certificate.node.verify(operator.object)
  } catch {
    // The signature's algorithm is not one of the operator's key.
  }
  if (!valid) throw new IdentityError('SIGNATURE_INVALID', 'the AK certificate is not signed by the operator')
}

function checkAkProfile(certificate: Certificate): void {
  const { extendedKeyUsage, keyUsage, basicConstraints } = certificate
  const fits =
    extendedKeyUsage?.length === 1 &&
    extendedKeyUsage[0] === AK_PURPOSE &&
    keyUsage === KEY_USAGE.digitalSignature &&
    basicConstraints?.ca === false
  if (!fits) throw new IdentityError('KEY_USAGE', 'the certificate is not one for an attestation key')
}

function tagged(certificate: Certificate, tag: string): string {
  const values = uris(certificate.alternatives).filter(uri => uri.startsWith(tag))
  const value = values[0]?.slice(tag.length)
  if (values.length !== 1 || value === undefined || !/^(?:[0-9a-f]{4})?[0-9a-f]{64}$/.test(value)) {
    throw new IdentityError('CERTIFICATE_MALFORMED', `the AK certificate does not carry one ${tag}`)
  }
  return value
}

/** Both the key and the Name: the Name alone covers the attributes that make the key an attestation key. */
function checkSameKey(certificate: Certificate, akName: string, ak: AttestationKey): void {
  if (!certificate.publicKey.equals(ak.publicKey) || akName !== ak.name.toString('hex')) {
    throw new IdentityError('AK_MISMATCH', 'the AK certificate is for another attestation key')
  }
}
