/**
 * Sections that a unified kernel image may have, in the order in which systemd-stub measures them into PCR 11 (systemd,
 * src/fundamental/uki.h: "PLEASE DO NOT REORDER"; UAPI.5), with the version whose stub began to. A stub measures only what it knows.
 */
const SECTIONS = [
  { name: '.linux', since: 252 },
  { name: '.osrel', since: 252 },
  { name: '.cmdline', since: 252 },
  { name: '.initrd', since: 252 },
  { name: '.ucode', since: 256 },
  { name: '.splash', since: 252 },
  { name: '.dtb', since: 252 },
  { name: '.uname', since: 254 },
  { name: '.sbat', since: 254 },
  { name: '.pcrsig', since: 252 },
  { name: '.pcrpkey', since: 252 },
  { name: '.profile', since: 257 },
  { name: '.dtbauto', since: 257 },
  { name: '.hwids', since: 257 },
  { name: '.efifw', since: 258 },
] as const

export type UkiSectionName = (typeof SECTIONS)[number]['name']

/** Signs the value that the others lead to, so it cannot be part of it. */
const UNMEASURED: UkiSectionName = '.pcrsig'

const names: ReadonlySet<string> = new Set(SECTIONS.map(({ name }) => name))

/** Whether a section means something in a unified kernel image. */
export function isUkiSection(name: string): name is UkiSectionName {
  return names.has(name)
}

/**
 * What a stub measures, in its order.
 *
 * @param version systemd's, for example 257; null for an unknown stub, which is taken for a current one
 */
export function measuredSections(version: number | null): readonly UkiSectionName[] {
  return SECTIONS.filter(
    ({ name, since }) => name !== UNMEASURED && (version === null || version >= since),
  ).map(({ name }) => name)
}

/** Of these a profile may have several; the stub takes the first that fits the machine it runs on. */
export const CHOSEN_BY_MACHINE = ['.dtbauto', '.efifw'] as const satisfies readonly UkiSectionName[]
