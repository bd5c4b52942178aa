import type { VerifiedEk } from './ek.ts'

/** What kind of TPM made the evidence. `hardware` is only ever earned; `unknown` is what is left. */
export type Tier = 'hardware' | 'simulated' | 'unknown'

/**
 * TPM manufacturers whose TPM is software, in the spelling of the EK certificate (TCG Vendor ID Registry, and what the
 * programs themselves write). A name here can only take the hardware tier away.
 */
const SOFTWARE_MANUFACTURERS: ReadonlyMap<string, string> = new Map([
  ['00001014', 'swtpm (swtpm_localca writes the PCI vendor id of IBM)'],
  ['49424D00', 'IBM SW TPM and libtpms'],
  ['49424D20', 'IBM SW TPM, padded with a space'],
  ['4D534654', 'Microsoft: TPM 2.0 simulator, Hyper-V'],
  ['58595A00', 'TCG reference code as it comes'],
  ['58595A20', 'TCG reference code, padded with a space'],
  ['474F4F47', 'Google: virtual TPM'],
  ['414D5A4E', 'Amazon: virtual TPM'],
  ['564D5700', 'VMware: virtual TPM'],
  ['51454D55', 'QEMU'],
])

/** Models that only software TPMs carry, whatever manufacturer is written beside them. */
const SOFTWARE_MODEL = /swtpm|libtpms|simulat|^sw +tpm|^xcg/i

/**
 * Derives the tier from verified evidence. `hardware` needs a chain to a root that the verifier named as a hardware
 * maker's, TPM attributes in the certificate, and nothing that speaks of software. What the TPM says of itself
 * (TPM_PT_MANUFACTURER) is not signed by anyone, so it can lower the tier and never raise it.
 *
 * @param ek null when no EK certificate was verified
 * @param reportedManufacturer TPM_PT_MANUFACTURER as a number, null when not known (TPM 2.0 Part 2, section 6.13)
 */
export function tier(ek: VerifiedEk | null, reportedManufacturer: number | null = null): Tier {
  const reported = reportedManufacturer?.toString(16).toUpperCase().padStart(8, '0')
  if (reported !== undefined && SOFTWARE_MANUFACTURERS.has(reported)) return 'simulated'
  const tpm = ek?.tpm
  if (!ek || !tpm) return 'unknown'
  if (SOFTWARE_MANUFACTURERS.has(tpm.manufacturer) || SOFTWARE_MODEL.test(tpm.model)) return 'simulated'
  return ek.rootKind === 'hardware' ? 'hardware' : 'unknown'
}
