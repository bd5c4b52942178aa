import { hash } from 'node:crypto'
import {
  KERNEL_BOOT_PCR,
  machineChoices,
  phaseWords,
  predictKernelEvents,
  predictPcr11,
  type Uki,
  type UkiChoice,
  ukiReference,
} from '../uki/index.ts'
import type { ReferenceDocument } from './document.ts'
import type { PcrRule } from './pcr-rule.ts'
import type { BootFiles, UkiStatement } from './statements.ts'

/** What reference values say besides, once they accept an image too. */
export type UkiAddition = Pick<ReferenceDocument, 'ukis' | 'bootFiles' | 'commandLines' | 'pcrs'>

/** Which boots of an image are accepted. */
export interface UkiBoots {
  /** For people; what the image says of itself unless given. */
  readonly name?: string
  /** Paths of boot phases, such as `sysinit:ready`. A boot may be at any point of one, unless PCR 11 is judged by its value: then at its end. */
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
 * that the kernel measures. What is `any` stays it. Nothing else of a document changes, and what it accepts by now it still does. Where PCR 11 is judged by
 * its value or by its events, those are added instead of a statement; where nothing judges it, neither.
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
  const rule = base.pcrs.find(({ pcr }) => pcr === KERNEL_BOOT_PCR)
  return {
    ukis: rule?.rule === 'described' ? ukis : [],
    pcrs: kernelBootRule(rule, uki, { ...boots, profiles: profiles.map(({ profile }) => profile) }),
    bootFiles: base.bootFiles === 'any' ? 'any' : withInitrds(base.bootFiles, initrds),
    commandLines:
      base.commandLines === 'any'
        ? 'any'
        : [...base.commandLines, ...Array.from(new Set(lines), text => ({ text }))],
  }
}

/** What a rule of PCR 11 that is not in words has to accept besides. */
function kernelBootRule(
  rule: PcrRule | undefined,
  uki: Uki,
  boots: Required<Omit<UkiBoots, 'name'>>,
): PcrRule[] {
  if (rule?.rule !== 'value' && rule?.rule !== 'events') return []
  const predictions = boots.profiles.flatMap(profile =>
    machineChoices(uki, profile).map(byMachine =>
      predictPcr11(uki, { bank: BANK, phases: boots.phases, profile, byMachine }),
    ),
  )
  if (rule.rule === 'value') {
    const values = predictions.flatMap(prediction =>
      prediction.values.map(({ value }) => value.toString('hex')),
    )
    return [{ pcr: KERNEL_BOOT_PCR, rule: 'value', values: [...new Set(values)] }]
  }
  const parts = predictions.flatMap(({ measurements }) =>
    measurements.flatMap(({ nameDigest, digest }) => [nameDigest.toString('hex'), digest.toString('hex')]),
  )
  const phases = boots.phases.flatMap(phase => phaseWords(phase).map(word => hash(BANK, word)))
  return [{ pcr: KERNEL_BOOT_PCR, rule: 'events', digests: [...new Set([...parts, ...phases])].sort() }]
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
