import type { LineageEvent } from '../../../lineage/index.ts'

export const ORIGIN = 'lineage.example/test'

/** A small event, told apart by `n`. */
export function numbered(n: number): LineageEvent {
  return {
    v: 1,
    time: '2026-11-21T02:00:00.000Z',
    type: 'kill-sent',
    bootNs: String(n),
    executionId: n.toString(16).padStart(32, '0'),
    decision: n,
    cause: 'REVOKED',
  }
}
