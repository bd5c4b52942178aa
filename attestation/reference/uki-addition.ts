import {
  machineChoices,
  phaseWords,
  predictKernelEvents,
  predictPcr11,
  type Uki,
  type UkiChoice,
  ukiReference,
} from '../uki/index.ts'
import type { ReferenceDocument } from './document.ts'
import type { BootFiles, UkiStatement } from './statements.ts'

/** What reference values say besides, once they accept an image too. */
export type UkiAddition = Pick<ReferenceDocument, 'ukis' | 'bootFiles' | 'commandLines'>

/** Which boots of an image are accepted. */
export interface UkiBoots {
  /** For people; what the image says of itself unless given. */
  readonly name?: string
  /** Paths of boot phases, such as `sysinit:ready`. A boot may be at any point of one of them. */
  readonly phases: readonly string[]
  /** Those that may be started; all unless given. */
  readonly profiles?: readonly number[]
}

/** What a quote is read in (PCR rules judge SHA-256). */
const BANK = 'sha256'
/** How a capture calls what Linux says it measured (drivers/firmware/efi/libstub/efi-stub-helper.c). */
const INITRD = 'Linux initrd'
/** What systemd measures behind `ready` when a host goes down: it is not worse for it. */
const SHUTDOWN = ['shutdown', 'final'] as const

/**
 * What has to be added to reference values for them to accept hosts that start this image: its statement, and in PCR 9 the command line and initrd
 * that the kernel measures. What is `any` stays it. Nothing else of a document changes, and what it accepts by now it still does.
 *
 * @throws UkiError for a phase or a profile that there is not
 */
export function ukiAddition(base: ReferenceDocument, uki: Uki, boots: UkiBoots): UkiAddition {
  const paths = longestPaths(boots.phases)
  const { image, kernel, osRelease, uname, profiles } = ukiReference(uki, {
    banks: [BANK],
    phases: [],
    ...(boots.profiles ? { profiles: boots.profiles } : {}),
  })
  const name = boots.name ?? ([osRelease, uname].filter(Boolean).join(', ') || 'unified kernel image')
  const ukis = profiles.flatMap(({ profile, name: called }) =>
    machineChoices(uki, profile).flatMap(byMachine =>
      paths.map((phases): UkiStatement => {
        const title = profiles.length > 1 ? `${name}, profile ${called ?? profile}` : name
        const events = sectionEvents(uki, { profile, byMachine })
        const started = kernel?.[BANK] === undefined ? {} : { kernel: kernel[BANK] }
        return { name: oneLine(title), image: image[BANK] ?? '', ...started, events, phases: [...phases] }
      }),
    ),
  )
  const given = profiles.map(({ profile }) => predictKernelEvents(uki, { profile, banks: [BANK] }))
  const initrds = given.flatMap(({ initrd }) => initrd?.get(BANK)?.toString('hex') ?? [])
  const lines = given.flatMap(({ commandLine }) => commandLine?.text ?? [])
  return {
    ukis,
    bootFiles: base.bootFiles === 'any' ? 'any' : withInitrds(base.bootFiles, initrds),
    commandLines:
      base.commandLines === 'any'
        ? 'any'
        : [...base.commandLines, ...Array.from(new Set(lines), text => ({ text }))],
  }
}

/** The name of each part, then its bytes, as they are measured. */
function sectionEvents(uki: Uki, choice: UkiChoice): UkiStatement['events'] {
  const { measurements } = predictPcr11(uki, { bank: BANK, phases: [], ...choice })
  return measurements.flatMap(({ section, nameDigest, digest }) => [
    { name: `name of ${section.name}`, digest: nameDigest.toString('hex') },
    { name: section.name, digest: digest.toString('hex') },
  ])
}

/** A path that another begins with is accepted with it. */
function longestPaths(phases: readonly string[]): readonly (readonly string[])[] {
  const paths = [...new Set(phases.map(phase => withShutdown(phaseWords(phase)).join(':')))]
  return paths
    .filter(path => !paths.some(other => other !== path && `${other}:`.startsWith(`${path}:`)))
    .map(path => phaseWords(path))
}

function withShutdown(words: readonly string[]): readonly string[] {
  return words.at(-1) === 'ready' ? [...words, ...SHUTDOWN] : words
}

/** The entry that a capture made accepts these as well; without one it may be missing, since older kernels measure nothing. */
function withInitrds(files: Exclude<BootFiles, 'any'>, initrds: readonly string[]): BootFiles {
  const fresh = [...new Set(initrds)].filter(digest => !files.some(({ digests }) => digests.includes(digest)))
  if (fresh.length === 0) return files
  const known = files.findIndex(({ name }) => name === INITRD)
  if (known < 0) return [...files, { name: INITRD, digests: fresh, optional: true }]
  return files.map((file, i) => (i === known ? { ...file, digests: [...file.digests, ...fresh] } : file))
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, 300)
}
