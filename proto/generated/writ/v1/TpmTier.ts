// Original file: writ/v1/attestation.proto

/**
 * What kind of TPM the evidence comes from, derived from the evidence.
 */
export const TpmTier = {
  /**
   * Never sent.
   */
  TPM_TIER_UNSPECIFIED: 'TPM_TIER_UNSPECIFIED',
  /**
   * Nothing proves a hardware TPM, nothing names a simulated one.
   */
  TPM_TIER_UNKNOWN: 'TPM_TIER_UNKNOWN',
  /**
   * A simulated TPM: proves nothing about hardware.
   */
  TPM_TIER_SIMULATED: 'TPM_TIER_SIMULATED',
  /**
   * The EK certificate leads to a hardware manufacturer's root.
   */
  TPM_TIER_HARDWARE: 'TPM_TIER_HARDWARE',
} as const;

/**
 * What kind of TPM the evidence comes from, derived from the evidence.
 */
export type TpmTierInput =
  /**
   * Never sent.
   */
  | 'TPM_TIER_UNSPECIFIED'
  | 0
  /**
   * Nothing proves a hardware TPM, nothing names a simulated one.
   */
  | 'TPM_TIER_UNKNOWN'
  | 1
  /**
   * A simulated TPM: proves nothing about hardware.
   */
  | 'TPM_TIER_SIMULATED'
  | 2
  /**
   * The EK certificate leads to a hardware manufacturer's root.
   */
  | 'TPM_TIER_HARDWARE'
  | 3

/**
 * What kind of TPM the evidence comes from, derived from the evidence.
 */
export type TpmTier = typeof TpmTier[keyof typeof TpmTier]
