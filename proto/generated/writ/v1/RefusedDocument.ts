// Original file: writ/v1/attestation.proto


/**
 * A document that was turned away.
 */
export interface RefusedDocumentInput {
  /**
   * Its kind: policy, host-labels, trust-roots, reference-values, revocation or clearance.
   */
  'kind'?: (string);
  /**
   * When.
   */
  'time'?: (string);
  /**
   * Code of the error that whoever brought it got.
   */
  'code'?: (string);
  /**
   * Where in the document; empty if the whole is meant.
   */
  'at'?: (string);
}

/**
 * A document that was turned away.
 */
export interface RefusedDocument {
  /**
   * Its kind: policy, host-labels, trust-roots, reference-values, revocation or clearance.
   */
  'kind': (string);
  /**
   * When.
   */
  'time': (string);
  /**
   * Code of the error that whoever brought it got.
   */
  'code': (string);
  /**
   * Where in the document; empty if the whole is meant.
   */
  'at': (string);
}
