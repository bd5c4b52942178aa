/** Identity of a host's TPM: EK certificate chain, credential activation, AK certificate, tier. Needs no TPM. */
export { type AttestationKey, readAttestationKey } from './ak.ts'
export {
  AK_PURPOSE,
  type AkCertificateFields,
  issueAkCertificate,
  type VerifiedAkCertificate,
  verifyAkCertificate,
} from './ak-certificate.ts'
export {
  type Certificate,
  parseCertificate,
  readCertificateFile,
  splitCertificateFile,
  trimCertificatePadding,
} from './certificate.ts'
export { type ChainOptions, type VerifiedChain, verifyChain } from './chain.ts'
export { type Credential, endorsementKey, makeCredential } from './credential.ts'
export { holdsPemCrl, MAX_CRL_BYTES, parseCrl, parseCrls, type RevocationList } from './crl.ts'
export { EK_PURPOSE, type EkChainOptions, type VerifiedEk, verifyEkChain } from './ek.ts'
export {
  beginEnrollment,
  completeEnrollment,
  type EnrollmentRequest,
  encodePendingEnrollment,
  type PendingEnrollment,
  parsePendingEnrollment,
} from './enrollment.ts'
export { IdentityError, type IdentityErrorCode } from './error.ts'
export {
  type CertificateFinding,
  type CertificateReason,
  type CertificateRole,
  examineCertificate,
  type PathCertificate,
} from './examine-certificate.ts'
export { manufacturerName } from './manufacturer.ts'
export { type RevocationStatus, Revocations, readDenyList } from './revocation.ts'
export type { EndorsementKey } from './secret-sharing.ts'
export { type Tier, tier } from './tier.ts'
export {
  readTpmAttributes,
  readTpmSpecification,
  type TpmAttributes,
  type TpmSpecification,
} from './tpm-attributes.ts'
