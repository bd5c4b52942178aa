// Original file: writ/v1/error.proto

/**
 * Why a request was denied. The set is closed; a number never changes its meaning.
 */
export const ReasonCode = {
  /**
   * Never sent.
   */
  REASON_CODE_UNSPECIFIED: 'REASON_CODE_UNSPECIFIED',
  /**
   * No artifact came with the request.
   */
  REASON_CODE_ARTIFACT_MISSING: 'REASON_CODE_ARTIFACT_MISSING',
  /**
   * The artifact is not a DSSE envelope of a statement that this version understands in full.
   */
  REASON_CODE_ARTIFACT_MALFORMED: 'REASON_CODE_ARTIFACT_MALFORMED',
  /**
   * The artifact's validity is over.
   */
  REASON_CODE_ARTIFACT_EXPIRED: 'REASON_CODE_ARTIFACT_EXPIRED',
  /**
   * The artifact's validity has not begun.
   */
  REASON_CODE_ARTIFACT_NOT_YET_VALID: 'REASON_CODE_ARTIFACT_NOT_YET_VALID',
  /**
   * A signature by a trusted key does not verify.
   */
  REASON_CODE_SIGNATURE_INVALID: 'REASON_CODE_SIGNATURE_INVALID',
  /**
   * No key of the named authority has signed.
   */
  REASON_CODE_SIGNER_UNTRUSTED: 'REASON_CODE_SIGNER_UNTRUSTED',
  /**
   * Fewer distinct keys have signed than the authority's threshold asks for.
   */
  REASON_CODE_THRESHOLD_NOT_MET: 'REASON_CODE_THRESHOLD_NOT_MET',
  /**
   * The loaded policy bundle is not the one that the artifact names.
   */
  REASON_CODE_POLICY_MISMATCH: 'REASON_CODE_POLICY_MISMATCH',
  /**
   * Policy forbids, or does not permit.
   */
  REASON_CODE_POLICY_DENIED: 'REASON_CODE_POLICY_DENIED',
  /**
   * Policy could not be evaluated without an error.
   */
  REASON_CODE_POLICY_ERROR: 'REASON_CODE_POLICY_ERROR',
  /**
   * The artifact's uses are consumed, or its identity was used with another content.
   */
  REASON_CODE_REPLAYED: 'REASON_CODE_REPLAYED',
  /**
   * The artifact, its key, the program or the execution is revoked.
   */
  REASON_CODE_REVOKED: 'REASON_CODE_REVOKED',
  /**
   * The host's attestation is missing or too old.
   */
  REASON_CODE_ATTESTATION_STALE: 'REASON_CODE_ATTESTATION_STALE',
  /**
   * The host's last appraisal failed.
   */
  REASON_CODE_ATTESTATION_FAILED: 'REASON_CODE_ATTESTATION_FAILED',
  /**
   * The host is attested, but not as the artifact asks for.
   */
  REASON_CODE_ENVIRONMENT_MISMATCH: 'REASON_CODE_ENVIRONMENT_MISMATCH',
  /**
   * The bytes that would run are not those that the artifact names.
   */
  REASON_CODE_SUBJECT_MISMATCH: 'REASON_CODE_SUBJECT_MISMATCH',
  /**
   * The artifact is for another host.
   */
  REASON_CODE_AUDIENCE_MISMATCH: 'REASON_CODE_AUDIENCE_MISMATCH',
  /**
   * The request asks for more than the artifact's scope gives.
   */
  REASON_CODE_SCOPE_EXCEEDED: 'REASON_CODE_SCOPE_EXCEEDED',
  /**
   * The caller is not one that the artifact names.
   */
  REASON_CODE_INITIATOR_MISMATCH: 'REASON_CODE_INITIATOR_MISMATCH',
  /**
   * The kernel did not say who the caller is.
   */
  REASON_CODE_CALLER_UNKNOWN: 'REASON_CODE_CALLER_UNKNOWN',
  /**
   * The parent execution has ended.
   */
  REASON_CODE_PARENT_ENDED: 'REASON_CODE_PARENT_ENDED',
  /**
   * The lineage contradicts itself or the TPM's counter.
   */
  REASON_CODE_LINEAGE_BROKEN: 'REASON_CODE_LINEAGE_BROKEN',
  /**
   * The lineage cannot be written now.
   */
  REASON_CODE_LINEAGE_UNAVAILABLE: 'REASON_CODE_LINEAGE_UNAVAILABLE',
  /**
   * The wall clock cannot be relied upon.
   */
  REASON_CODE_CLOCK_UNTRUSTED: 'REASON_CODE_CLOCK_UNTRUSTED',
  /**
   * A quota or a limit of the host is reached.
   */
  REASON_CODE_CAPACITY: 'REASON_CODE_CAPACITY',
  /**
   * A fault of the daemon; what it was is in the daemon's log.
   */
  REASON_CODE_INTERNAL: 'REASON_CODE_INTERNAL',
} as const;

/**
 * Why a request was denied. The set is closed; a number never changes its meaning.
 */
export type ReasonCodeInput =
  /**
   * Never sent.
   */
  | 'REASON_CODE_UNSPECIFIED'
  | 0
  /**
   * No artifact came with the request.
   */
  | 'REASON_CODE_ARTIFACT_MISSING'
  | 1
  /**
   * The artifact is not a DSSE envelope of a statement that this version understands in full.
   */
  | 'REASON_CODE_ARTIFACT_MALFORMED'
  | 2
  /**
   * The artifact's validity is over.
   */
  | 'REASON_CODE_ARTIFACT_EXPIRED'
  | 3
  /**
   * The artifact's validity has not begun.
   */
  | 'REASON_CODE_ARTIFACT_NOT_YET_VALID'
  | 4
  /**
   * A signature by a trusted key does not verify.
   */
  | 'REASON_CODE_SIGNATURE_INVALID'
  | 5
  /**
   * No key of the named authority has signed.
   */
  | 'REASON_CODE_SIGNER_UNTRUSTED'
  | 6
  /**
   * Fewer distinct keys have signed than the authority's threshold asks for.
   */
  | 'REASON_CODE_THRESHOLD_NOT_MET'
  | 7
  /**
   * The loaded policy bundle is not the one that the artifact names.
   */
  | 'REASON_CODE_POLICY_MISMATCH'
  | 8
  /**
   * Policy forbids, or does not permit.
   */
  | 'REASON_CODE_POLICY_DENIED'
  | 9
  /**
   * Policy could not be evaluated without an error.
   */
  | 'REASON_CODE_POLICY_ERROR'
  | 10
  /**
   * The artifact's uses are consumed, or its identity was used with another content.
   */
  | 'REASON_CODE_REPLAYED'
  | 11
  /**
   * The artifact, its key, the program or the execution is revoked.
   */
  | 'REASON_CODE_REVOKED'
  | 12
  /**
   * The host's attestation is missing or too old.
   */
  | 'REASON_CODE_ATTESTATION_STALE'
  | 13
  /**
   * The host's last appraisal failed.
   */
  | 'REASON_CODE_ATTESTATION_FAILED'
  | 14
  /**
   * The host is attested, but not as the artifact asks for.
   */
  | 'REASON_CODE_ENVIRONMENT_MISMATCH'
  | 15
  /**
   * The bytes that would run are not those that the artifact names.
   */
  | 'REASON_CODE_SUBJECT_MISMATCH'
  | 16
  /**
   * The artifact is for another host.
   */
  | 'REASON_CODE_AUDIENCE_MISMATCH'
  | 17
  /**
   * The request asks for more than the artifact's scope gives.
   */
  | 'REASON_CODE_SCOPE_EXCEEDED'
  | 18
  /**
   * The caller is not one that the artifact names.
   */
  | 'REASON_CODE_INITIATOR_MISMATCH'
  | 19
  /**
   * The kernel did not say who the caller is.
   */
  | 'REASON_CODE_CALLER_UNKNOWN'
  | 20
  /**
   * The parent execution has ended.
   */
  | 'REASON_CODE_PARENT_ENDED'
  | 21
  /**
   * The lineage contradicts itself or the TPM's counter.
   */
  | 'REASON_CODE_LINEAGE_BROKEN'
  | 22
  /**
   * The lineage cannot be written now.
   */
  | 'REASON_CODE_LINEAGE_UNAVAILABLE'
  | 23
  /**
   * The wall clock cannot be relied upon.
   */
  | 'REASON_CODE_CLOCK_UNTRUSTED'
  | 24
  /**
   * A quota or a limit of the host is reached.
   */
  | 'REASON_CODE_CAPACITY'
  | 25
  /**
   * A fault of the daemon; what it was is in the daemon's log.
   */
  | 'REASON_CODE_INTERNAL'
  | 26

/**
 * Why a request was denied. The set is closed; a number never changes its meaning.
 */
export type ReasonCode = typeof ReasonCode[keyof typeof ReasonCode]
