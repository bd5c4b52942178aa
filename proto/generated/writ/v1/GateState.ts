// Original file: writ/v1/attestation.proto

/**
 * State of the trust gate.
 */
export const GateState = {
  /**
   * Never sent.
   */
  GATE_STATE_UNSPECIFIED: 'GATE_STATE_UNSPECIFIED',
  /**
   * No appraisal since the daemon started.
   */
  GATE_STATE_UNATTESTED: 'GATE_STATE_UNATTESTED',
  /**
   * Attested; the only state with an open gate.
   */
  GATE_STATE_ATTESTED: 'GATE_STATE_ATTESTED',
  /**
   * The newest evidence is too old.
   */
  GATE_STATE_STALE: 'GATE_STATE_STALE',
  /**
   * An appraisal failed; durable until cleared.
   */
  GATE_STATE_FAILED: 'GATE_STATE_FAILED',
} as const;

/**
 * State of the trust gate.
 */
export type GateStateInput =
  /**
   * Never sent.
   */
  | 'GATE_STATE_UNSPECIFIED'
  | 0
  /**
   * No appraisal since the daemon started.
   */
  | 'GATE_STATE_UNATTESTED'
  | 1
  /**
   * Attested; the only state with an open gate.
   */
  | 'GATE_STATE_ATTESTED'
  | 2
  /**
   * The newest evidence is too old.
   */
  | 'GATE_STATE_STALE'
  | 3
  /**
   * An appraisal failed; durable until cleared.
   */
  | 'GATE_STATE_FAILED'
  | 4

/**
 * State of the trust gate.
 */
export type GateState = typeof GateState[keyof typeof GateState]
