import type { ClockInfo } from '../tpm2/structures/index.ts'

/** What of an accepted quote the next one of the same TPM is judged against. */
export interface ClockHistory {
  readonly clock: bigint
  readonly resetCount: number
  readonly restartCount: number
  readonly firmwareVersion: bigint
}

/** How a quote's clock follows the one before. `rollback-*` are failures, the others are not. */
export type ClockStep =
  | 'first'
  | 'running'
  | 'restarted'
  | 'rebooted'
  | 'rollback-reset'
  | 'rollback-restart'
  | 'rollback-clock'

/**
 * Judges the order of two quotes of one TPM (TPM 2.0 Part 1, section 36). resetCount never goes back. While it stays,
 * neither restartCount nor the clock go back. Across a reset the clock may: a power loss sets it back to what was stored
 * last, and then `safe` is false.
 *
 * @param previous null when there was none
 */
export function judgeClock(previous: ClockHistory | null, current: ClockInfo): ClockStep {
  if (previous === null) return 'first'
  if (current.resetCount < previous.resetCount) return 'rollback-reset'
  if (current.resetCount > previous.resetCount) return 'rebooted'
  if (current.restartCount < previous.restartCount) return 'rollback-restart'
  if (current.clock < previous.clock) return 'rollback-clock'
  return current.restartCount > previous.restartCount ? 'restarted' : 'running'
}

/** Whether the firmware of the TPM is another than before: a trust transition, since it holds the keys. */
export function firmwareChanged(previous: ClockHistory | null, firmwareVersion: bigint): boolean {
  return previous !== null && previous.firmwareVersion !== firmwareVersion
}

/** firmwareVersion as reports and reference values spell it: 16 hexadecimal digits. */
export function formatFirmwareVersion(version: bigint): string {
  return version.toString(16).padStart(16, '0')
}
