// Original file: writ/v1/governance.proto

/**
 * What a revocation names.
 */
export const RevocationKind = {
  /**
   * Never sent.
   */
  REVOCATION_KIND_UNSPECIFIED: 'REVOCATION_KIND_UNSPECIFIED',
  /**
   * An artifact, by the digest of its decoded payload.
   */
  REVOCATION_KIND_ARTIFACT: 'REVOCATION_KIND_ARTIFACT',
  /**
   * A key that signs artifacts or governance documents, by its id.
   */
  REVOCATION_KIND_KEY: 'REVOCATION_KIND_KEY',
  /**
   * A program, by the digest of its bytes.
   */
  REVOCATION_KIND_PROGRAM: 'REVOCATION_KIND_PROGRAM',
  /**
   * An execution, by its id.
   */
  REVOCATION_KIND_EXECUTION: 'REVOCATION_KIND_EXECUTION',
  /**
   * A host, by the Name of its attestation key.
   */
  REVOCATION_KIND_HOST: 'REVOCATION_KIND_HOST',
  /**
   * A policy bundle, by the digest of its decoded payload.
   */
  REVOCATION_KIND_POLICY: 'REVOCATION_KIND_POLICY',
} as const;

/**
 * What a revocation names.
 */
export type RevocationKindInput =
  /**
   * Never sent.
   */
  | 'REVOCATION_KIND_UNSPECIFIED'
  | 0
  /**
   * An artifact, by the digest of its decoded payload.
   */
  | 'REVOCATION_KIND_ARTIFACT'
  | 1
  /**
   * A key that signs artifacts or governance documents, by its id.
   */
  | 'REVOCATION_KIND_KEY'
  | 2
  /**
   * A program, by the digest of its bytes.
   */
  | 'REVOCATION_KIND_PROGRAM'
  | 3
  /**
   * An execution, by its id.
   */
  | 'REVOCATION_KIND_EXECUTION'
  | 4
  /**
   * A host, by the Name of its attestation key.
   */
  | 'REVOCATION_KIND_HOST'
  | 5
  /**
   * A policy bundle, by the digest of its decoded payload.
   */
  | 'REVOCATION_KIND_POLICY'
  | 6

/**
 * What a revocation names.
 */
export type RevocationKind = typeof RevocationKind[keyof typeof RevocationKind]
