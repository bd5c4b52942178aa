// Original file: writ/v1/attestation.proto


/**
 * One reason for the gate's state.
 */
export interface AttestationReasonInput {
  /**
   * Stable code of the appraisal, the TPM or the gate, such as `TPM_UNAVAILABLE`.
   */
  'code'?: (string);
  /**
   * The same for a person.
   */
  'message'?: (string);
  /**
   * Where in the evidence; empty if the whole is meant.
   */
  'at'?: (string);
}

/**
 * One reason for the gate's state.
 */
export interface AttestationReason {
  /**
   * Stable code of the appraisal, the TPM or the gate, such as `TPM_UNAVAILABLE`.
   */
  'code': (string);
  /**
   * The same for a person.
   */
  'message': (string);
  /**
   * Where in the evidence; empty if the whole is meant.
   */
  'at': (string);
}
