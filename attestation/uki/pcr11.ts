import { hash } from 'node:crypto'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'
import { UkiError } from './error.ts'
import { CHOSEN_BY_MACHINE, measuredSections, type UkiSectionName } from './section-order.ts'
import { sectionDigests, type Uki, type UkiSection } from './uki.ts'

/** Into which register the stub measures the image's parts, and systemd the phases (UAPI.7, `kernel-boot`). */
export const KERNEL_BOOT_PCR = 11

/** Which of an image's parts are in use. */
export interface UkiChoice {
  /** Number of the profile; 0, the one that is started unless another is asked for. */
  readonly profile?: number
  /** Which of several `.dtbauto` and `.efifw` fit the machine, by their index in the section table; missing if none does. */
  readonly byMachine?: readonly number[]
}

/** One part that the stub measures: its name, then its bytes. */
export interface SectionMeasurement {
  readonly section: UkiSection
  /** Digest of the name with the zero behind it. */
  readonly nameDigest: Buffer
  readonly digest: Buffer
}

export interface Pcr11Prediction {
  readonly bank: HashAlgorithm
  readonly measurements: readonly SectionMeasurement[]
  /** The register after each path of phases, in the order asked for. */
  readonly values: readonly { readonly phase: string; readonly value: Buffer }[]
}

const MAX_PHASE_BYTES = 1024

/**
 * The value that PCR 11 has after the image was started and the phases were passed, as `systemd-measure calculate` gives it:
 * each part's name and bytes in the stub's order, then each phase's word.
 *
 * @param phases paths such as `enter-initrd:leave-initrd:sysinit:ready`; the empty one is the end of the stub
 * @throws UkiError `UKI_PROFILE_UNKNOWN`, `UKI_PHASE_MALFORMED`
 */
export function predictPcr11(
  uki: Uki,
  { bank, phases, ...choice }: { bank: HashAlgorithm; phases: readonly string[] } & UkiChoice,
): Pcr11Prediction {
  const measurements = usedSections(uki, choice).map(section => ({
    section,
    nameDigest: hash(bank, `${section.name}\0`, 'buffer'),
    digest: digestIn(sectionDigests(uki, section, [bank]), bank),
  }))
  const parts = measurements.flatMap(({ nameDigest, digest }) => [nameDigest, digest])
  const start = extend(bank, Buffer.alloc(hashSize(bank)), parts)
  const values = phases.map(phase => {
    const words = phaseWords(phase)
    const digests = words.map(word => hash(bank, word, 'buffer'))
    return { phase: words.join(':'), value: extend(bank, start, digests) }
  })
  return { bank, measurements, values }
}

/** TPM2_PCR_Extend (Part 3, section 22.2), one digest after the other. */
function extend(bank: HashAlgorithm, start: Buffer, digests: readonly Buffer[]): Buffer {
  return digests.reduce<Buffer>(
    (value, digest) => hash(bank, Buffer.concat([value, digest]), 'buffer'),
    start,
  )
}

function digestIn(digests: ReadonlyMap<HashAlgorithm, Buffer>, bank: HashAlgorithm): Buffer {
  const digest = digests.get(bank)
  if (digest === undefined) throw new TypeError(`no digest in ${bank}`)
  return digest
}

/**
 * The words of a path of phases. As systemd-measure does, empty words are left out. A word is measured as its UTF-8 bytes.
 *
 * @throws UkiError `UKI_PHASE_MALFORMED`
 */
export function phaseWords(phase: string): readonly string[] {
  const words = phase.split(':').filter(word => word !== '')
  if (Buffer.byteLength(phase) > MAX_PHASE_BYTES || !words.every(word => /^[!-~]+$/.test(word))) {
    throw new UkiError(
      'UKI_PHASE_MALFORMED',
      `phases ${JSON.stringify(phase)}: words of printable ASCII, joined by colons`,
      { at: 'phase' },
    )
  }
  return words
}

/**
 * The parts that are in use, in the stub's order: those that all profiles have, each replaced by the profile's own.
 *
 * @param which those that the stub measures, or all of them
 * @throws UkiError `UKI_PROFILE_UNKNOWN`
 */
export function usedSections(
  uki: Uki,
  { profile = 0, byMachine = [] }: UkiChoice,
  which: 'measured' | 'all' = 'measured',
): readonly UkiSection[] {
  if (!Number.isInteger(profile) || profile < 0 || profile >= Math.max(uki.profiles, 1)) {
    throw new UkiError(
      'UKI_PROFILE_UNKNOWN',
      `unified kernel image: no profile ${profile}, it has ${Math.max(uki.profiles, 1)}`,
      { at: 'profile' },
    )
  }
  const choosable: readonly string[] = CHOSEN_BY_MACHINE
  const used = new Map<UkiSectionName, UkiSection>()
  for (const own of [null, profile]) {
    for (const section of uki.sections) {
      if (section.profile !== own) continue
      if (choosable.includes(section.name) && !byMachine.includes(section.header.index)) continue
      used.set(section.name, section)
    }
  }
  if (which === 'all') return Array.from(used.values())
  return measuredSections(uki.stub?.version ?? null).flatMap(name => used.get(name) ?? [])
}

/** Most combinations of devicetree and firmware that are worked out. */
const MAX_CHOICES = 256

/**
 * What machines may choose in a profile: one of the `.dtbauto` or none, one of the `.efifw` or none. One empty choice for the
 * images of most machines, which have neither.
 *
 * @throws UkiError `UKI_SECTION_REPEATED` for more combinations than are worked out
 */
export function machineChoices(uki: Uki, profile = 0): readonly (readonly number[])[] {
  const [trees, firmware] = CHOSEN_BY_MACHINE.map(name => {
    const own = uki.sections.filter(
      section => section.name === name && (section.profile === null || section.profile === profile),
    )
    return [[], ...own.map(({ header }) => [header.index])]
  })
  const choices = (trees ?? []).flatMap(tree => (firmware ?? []).map(fw => [...tree, ...fw]))
  if (choices.length > MAX_CHOICES) {
    const what = `${choices.length} combinations of .dtbauto and .efifw, at most ${MAX_CHOICES}`
    throw new UkiError('UKI_SECTION_REPEATED', `unified kernel image: ${what}`, { at: '.dtbauto' })
  }
  return choices
}
