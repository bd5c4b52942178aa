import { phaseWords, UkiError } from '../attestation/index.ts'
import { CliError } from './error.ts'

/** With an initrd made by systemd, and with another, which measures no phases of its own. */
const DEFAULT_PHASES = ['enter-initrd:leave-initrd:sysinit:ready', 'sysinit:ready'] as const

/** The help of `--phase`. */
export const PHASE_HELP = `boot phases that the host has passed, joined by colons (repeatable; default ${DEFAULT_PHASES.join(' and ')})`

/** The paths of boot phases that `--phase` names. @throws CliError `USAGE` */
export function readPhases(phases: readonly string[] = DEFAULT_PHASES): readonly string[] {
  try {
    return phases.map(phase => phaseWords(phase).join(':'))
  } catch (cause) {
    if (!(cause instanceof UkiError)) throw cause
    throw new CliError('USAGE', cause.message, { at: '--phase', cause })
  }
}
