import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { authenticodeDigests } from './authenticode.ts'
import { UkiError } from './error.ts'
import type { Digests } from './image-source.ts'
import { predictKernelEvents } from './kernel-events.ts'
import { machineChoices, phaseWords, predictPcr11, type UkiChoice } from './pcr11.ts'
import { readPeImage } from './pe-image.ts'
import type { UkiSectionName } from './section-order.ts'
import { sectionDigests, sectionImage, sectionText, type Uki, type UkiSection } from './uki.ts'

/** Digests by bank, in lower-case hexadecimal. */
export type HexDigests = { readonly [bank in HashAlgorithm]?: string }

/** What a machine that starts this image measures, as plain data. */
export interface UkiReference {
  /** What the image says of itself, for people; null where it says nothing. Measured as parts of PCR 11. */
  readonly osRelease: string | null
  readonly uname: string | null
  readonly stub: string | null
  /** Authenticode digest of the file: PCR 4, EV_EFI_BOOT_SERVICES_APPLICATION. */
  readonly image: HexDigests
  /** Authenticode digest of the kernel in it, which stubs before systemd 258 start through the firmware: PCR 4 again. */
  readonly kernel: HexDigests | null
  /** One for each profile: what is in use when it is started. */
  readonly profiles: readonly UkiProfileReference[]
}

export interface UkiProfileReference {
  readonly profile: number
  /** The profile's ID or title, null when it has none. */
  readonly name: string | null
  /** The kernel's command line; null when the image leaves it to the boot loader. */
  readonly cmdline: string | null
  /** Digest of each part that the stub measures, by its name. Several where the machine chooses. */
  readonly sections: readonly {
    readonly name: UkiSectionName
    readonly size: number
    readonly digests: HexDigests
  }[]
  /** What the kernel measures of what it is given, if nothing beside the image is added (PCR 9); null for what the image does not give. */
  readonly kernelEvents: { readonly commandLine: HexDigests | null; readonly initrd: HexDigests | null }
  /** Each value that PCR 11 may have: for each path of phases, and each choice of the machine. */
  readonly pcr11: readonly { readonly phase: string; readonly values: HexDigests }[]
}

/**
 * All that reference values can say about an image.
 *
 * @param phases paths such as `sysinit:ready`
 * @param profiles those that may be started; all unless they are named
 * @throws UkiError
 */
export function ukiReference(
  uki: Uki,
  {
    banks,
    phases,
    profiles,
  }: { banks: readonly HashAlgorithm[]; phases: readonly string[]; profiles?: readonly number[] },
): UkiReference {
  // A mistake in a phase is told before hundreds of megabytes are read.
  for (const phase of phases) phaseWords(phase)
  const every = Array.from({ length: Math.max(uki.profiles, 1) }, (_, profile) => profile)
  return {
    osRelease: osName(textOf(uki, '.osrel', null)),
    uname: textOf(uki, '.uname', null),
    stub: uki.stub?.text ?? null,
    image: inHex(authenticodeDigests(uki.image, banks)),
    kernel: kernelDigests(uki, banks),
    profiles: (profiles ?? every).map(profile => profileReference(uki, { profile, banks, phases })),
  }
}

function profileReference(
  uki: Uki,
  { profile, banks, phases }: { profile: number; banks: readonly HashAlgorithm[]; phases: readonly string[] },
): UkiProfileReference {
  const sections = new Map<UkiSection, UkiProfileReference['sections'][number]>()
  const pcr11 = machineChoices(uki, profile).flatMap(byMachine => {
    const choice = { profile, byMachine }
    for (const section of usedIn(uki, choice)) {
      const digests = inHex(sectionDigests(uki, section, banks))
      sections.set(section, { name: section.name, size: section.size, digests })
    }
    return phaseValues(uki, { banks, phases, ...choice })
  })
  const title = textOf(uki, '.profile', profile)
  const { commandLine, initrd } = predictKernelEvents(uki, { profile, banks })
  return {
    profile,
    name: /^(?:ID|TITLE)=(.+)$/m.exec(title ?? '')?.[1] ?? null,
    cmdline: textOf(uki, '.cmdline', profile),
    sections: Array.from(sections.values()),
    kernelEvents: {
      commandLine: commandLine && inHex(commandLine.digests),
      initrd: initrd && inHex(initrd),
    },
    pcr11,
  }
}

function usedIn(uki: Uki, choice: UkiChoice): readonly UkiSection[] {
  return predictPcr11(uki, { bank: 'sha256', phases: [], ...choice }).measurements.map(
    ({ section }) => section,
  )
}

function phaseValues(
  uki: Uki,
  { banks, phases, ...choice }: { banks: readonly HashAlgorithm[]; phases: readonly string[] } & UkiChoice,
): UkiProfileReference['pcr11'] {
  const predictions = banks.map(bank => predictPcr11(uki, { bank, phases, ...choice }))
  return phases.map((phase, i) => ({
    phase: phaseWords(phase).join(':'),
    values: Object.fromEntries(
      predictions.map(({ bank, values }) => [bank, values[i]?.value.toString('hex') ?? '']),
    ),
  }))
}

/** The text of a section in a profile, or of the one that all profiles have. */
function textOf(uki: Uki, name: UkiSectionName, profile: number | null): string | null {
  const candidates = uki.sections.filter(section => section.name === name)
  const section =
    candidates.find(candidate => candidate.profile === profile) ??
    candidates.find(candidate => candidate.profile === null)
  return section === undefined ? null : sectionText(uki, section)
}

/** os-release(5): the name for people. */
function osName(osRelease: string | null): string | null {
  return (
    /^PRETTY_NAME=(?:"(.*)"|'(.*)'|(.*))$/m
      .exec(osRelease ?? '')
      ?.slice(1)
      .find(Boolean) ?? null
  )
}

/** Null for a kernel that is no EFI image of its own: only the stub can start it, and the firmware never measures it. */
function kernelDigests(uki: Uki, banks: readonly HashAlgorithm[]): HexDigests | null {
  const kernel = uki.sections.find(({ name }) => name === '.linux')
  if (kernel === undefined) return null
  try {
    return inHex(authenticodeDigests(readPeImage(sectionImage(uki, kernel)), banks))
  } catch (error) {
    if (error instanceof UkiError) return null
    throw error
  }
}

function inHex(digests: Digests): HexDigests {
  return Object.fromEntries(Array.from(digests, ([bank, digest]) => [bank, digest.toString('hex')]))
}
