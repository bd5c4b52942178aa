/**
 * Which registers a log extends. The log does not say: whoever reads it knows where it came from.
 *
 * `tpm`: PCRs (PTP 1.05, section 4.6). `cc`: measurement registers of a confidential VM, numbered as the firmware's EFI_CC_MEASUREMENT_PROTOCOL
 * does (UEFI 2.10, section 38.4.1).
 */
export type RegisterKind = 'tpm' | 'cc'

/** Where a fact of the firmware is measured. */
export interface Registers {
  readonly kind: RegisterKind
  /** How many there are. */
  readonly count: number
  /** Those that a replay gives whether or not the log extends them. */
  readonly always: readonly number[]
  /** The register whose start value is the locality of TPM2_Startup; null where there is no such thing. */
  readonly startupLocality: number | null
  readonly secureBoot: number
  readonly exitBootServices: number
  /** Whether the firmware closes this register with a separator. */
  isSeparated(register: number): boolean
  /** Whether one separator is all that the register gets. */
  readonly separatorsAreUnique: boolean
  /**
   * Whether a register without events has to hold its reset value. Others are extended by the operating system, which keeps a log of
   * its own.
   */
  isLogged(register: number): boolean
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i)

/** PTP 1.05, section 4.6: 0 to 15 are static; the log of the firmware covers those below 10, where IMA begins. */
const TPM: Registers = {
  kind: 'tpm',
  count: 24,
  always: upTo(16),
  startupLocality: 0,
  secureBoot: 7,
  exitBootServices: 5,
  isSeparated: pcr => pcr <= 7,
  separatorsAreUnique: true,
  isLogged: pcr => pcr < 10,
}

/**
 * UEFI 2.10, section 38.4.1: register 0 is the measurement of the VM as it was built (Intel TDX MRTD), which no log extends; 1 to 4 are the
 * run-time registers. PCR 1 and 7 go to register 1, PCR 2 to 6 to register 2, PCR 8 to 15 to register 3, so that a register gets a
 * separator for each of its PCRs.
 */
const CC: Registers = {
  kind: 'cc',
  count: 5,
  always: upTo(5),
  startupLocality: null,
  secureBoot: 1,
  exitBootServices: 2,
  isSeparated: register => register <= 3,
  separatorsAreUnique: false,
  isLogged: register => register >= 1,
}

/** The registers of a kind of log. */
export function registersOf(kind: RegisterKind): Registers {
  return kind === 'tpm' ? TPM : CC
}

/** Names of the registers of a confidential VM, as Intel TDX has them (Intel TDX Module 1.5 ABI, TDREPORT). */
const CC_NAMES = ['MRTD', 'RTMR0', 'RTMR1', 'RTMR2', 'RTMR3'] as const

/** A register's name for people: `PCR 7`, `RTMR0`. */
export function registerName(kind: RegisterKind, register: number): string {
  return kind === 'tpm' ? `PCR ${register}` : (CC_NAMES[register] ?? `register ${register}`)
}
