import type { BootStatements } from './boot-statements.ts'
import type { PcrRule } from './pcr-rule.ts'

/** A statement that would be read and not be judged. */
export interface Unenforced {
  readonly field: string
  readonly why: string
}

/** The PCRs that a kernel's command line is measured into: GRUB, the kernel's stub, systemd-stub. */
export const COMMAND_LINE_PCRS: readonly number[] = [8, 9, 12]
/** Where nothing but command lines and what belongs to them is measured. */
export const TEXT_PCRS: readonly number[] = [8, 12]

/**
 * Finds a statement about a PCR that the document judges otherwise: whoever signs it would believe that it holds. `any` states nothing, and so does
 * a switch of Secure Boot alone, which is judged in each case.
 */
export function checkEnforced(
  document: BootStatements,
  ruleOf: (pcr: number) => PcrRule['rule'] | undefined,
): Unenforced | null {
  const isDescribed = (pcr: number): boolean => ruleOf(pcr) === 'described'
  const { firmware, secureBoot, bootImages, commandLines, bootFiles, ukis, events } = document
  const { pk, kek, db, dbx, authorities } = secureBoot
  const states = (...statements: readonly unknown[]): boolean => statements.some(said => said !== 'any')
  const firmwarePcrs = firmware === 'any' ? [] : [0, ...firmware.flatMap(one => one.events.map(e => e.pcr))]
  const needed: readonly (readonly [field: string, pcrs: readonly number[]])[] = [
    ['firmware', firmwarePcrs],
    ['secureBoot', states(pk, kek, db, dbx, authorities) ? [7] : []],
    ['bootImages', states(bootImages) ? [4] : []],
    ['bootFiles', states(bootFiles) ? [9] : []],
    ['ukis', ukis.length > 0 ? [11] : []],
    ['events', events.map(event => event.pcr)],
  ]
  for (const [field, pcrs] of needed) {
    const pcr = pcrs.find(one => !isDescribed(one))
    if (pcr !== undefined) return { field, why: `the rule of PCR ${pcr} has to be "described"` }
  }
  if (states(commandLines) && !COMMAND_LINE_PCRS.some(isDescribed)) {
    return { field: 'commandLines', why: 'the rule of PCR 8, 9 or 12 has to be "described"' }
  }
  // The boot loader's own measurement of another one would be let pass there, and a listed one can be measured later by whoever is root.
  const open = TEXT_PCRS.find(pcr => ruleOf(pcr) === 'any')
  if (states(commandLines) && open !== undefined) {
    return { field: 'commandLines', why: `the rule of PCR ${open} may not be "any"` }
  }
  return null
}
