import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { UkiError } from './error.ts'
import {
  type Digests,
  type HashedPart,
  hashParts,
  type ImageSource,
  imageInMemory,
  imageWithin,
} from './image-source.ts'
import { type PeImage, type PeSection, readPeImage } from './pe-image.ts'
import { CHOSEN_BY_MACHINE, isUkiSection, type UkiSectionName } from './section-order.ts'

/** A section of a unified kernel image. */
export interface UkiSection {
  readonly name: UkiSectionName
  readonly header: PeSection
  /** The profile that it belongs to; null for what all profiles have. */
  readonly profile: number | null
  /** Bytes that the stub sees and measures: those of the file up to the virtual size, then zeros. */
  readonly size: number
}

/** A unified kernel image. Nothing in it is verified: whoever wrote the file chose all of it. */
export interface Uki {
  readonly image: PeImage
  /** What the stub says it is, for example `systemd-stub 257.13-1~deb13u1`; null when it says nothing. */
  readonly stub: { readonly text: string; readonly version: number | null } | null
  /** In the order of the section table. */
  readonly sections: readonly UkiSection[]
  /** How many `.profile` sections there are. An image without one is started as profile 0. */
  readonly profiles: number
}

/** Most zeros behind a section's bytes. A section of a UKI is data, which has none. */
const MAX_ZEROS = 16 << 20
/** Longest text that is read from a section: the kernel's command line has at most 4,096 bytes, .osrel and .sbat a few hundred. */
const MAX_TEXT_BYTES = 64 << 10
/** A stub's section `.sdmagic` (systemd, src/boot/stub.c: DECLARE_NOALLOC_SECTION). */
const MAGIC = /^#### LoaderInfo: (.{1,128}?) ####\0*$/
const STUB_VERSION = /^systemd-stub (\d{1,4})(?!\d)/

/**
 * Reads the headers of a unified kernel image (UAPI.5). The sections themselves are read only when they are asked for.
 *
 * @throws UkiError
 */
export function readUki(input: Uint8Array | ImageSource): Uki {
  const image = readPeImage(input instanceof Uint8Array ? imageInMemory(input) : input)
  checkMemory(image)
  let profile: number | null = null
  const sections: UkiSection[] = []
  for (const header of image.sections) {
    const { name } = header
    if (!isUkiSection(name)) continue
    // The first `.profile` ends what all profiles have; it belongs to the profile that it begins.
    if (name === '.profile') profile = profile === null ? 0 : profile + 1
    const section = { name, header, profile, size: header.virtualSize }
    checkSection(section, sections)
    // systemd takes a section without bytes in memory for missing (PE_SECTION_VECTOR_IS_SET).
    if (section.size > 0 || name === '.profile') sections.push(section)
  }
  const profiles = profile === null ? 0 : profile + 1
  if (!sections.some(({ name }) => name === '.linux')) {
    throw new UkiError('UKI_SECTION_MISSING', 'unified kernel image: it has no kernel (.linux)', {
      at: '.linux',
    })
  }
  return { image, stub: readStub(image), sections, profiles }
}

/** Sections that share memory would not be measured as they are in the file. */
function checkMemory({ sections }: PeImage): void {
  let end = 0
  for (const section of sections.toSorted((a, b) => a.virtualAddress - b.virtualAddress)) {
    const { name, virtualAddress, virtualSize, raw } = section
    if (virtualAddress < end) throw malformed(name, raw.offset, 'it shares memory with another section')
    end = virtualAddress + Math.max(virtualSize, isUkiSection(name) ? 0 : raw.length)
  }
}

function checkSection({ name, header, profile, size }: UkiSection, before: readonly UkiSection[]): void {
  const { raw } = header
  if (size - raw.length > MAX_ZEROS)
    throw malformed(name, raw.offset, `${size} bytes, of which the file has ${raw.length}`)
  const several: readonly string[] = CHOSEN_BY_MACHINE
  if (several.includes(name)) return
  if (before.some(other => other.name === name && other.profile === profile)) {
    const at = `section ${header.index} (${name})`
    throw new UkiError('UKI_SECTION_REPEATED', `unified kernel image: a second ${name} in one profile`, {
      at,
      offset: raw.offset,
    })
  }
}

function malformed(name: string, offset: number, what: string): UkiError {
  return new UkiError(
    'UKI_SECTION_MALFORMED',
    `unified kernel image, section ${JSON.stringify(name)}: ${what}`,
    { at: name, offset },
  )
}

function readStub(image: PeImage): Uki['stub'] {
  const header = image.sections.find(({ name }) => name === '.sdmagic')
  if (header === undefined) return null
  const size = Math.min(header.virtualSize, header.raw.length, MAX_TEXT_BYTES)
  const magic = image.source.read(header.raw.offset, size).toString('latin1')
  const text = MAGIC.exec(magic)?.[1]
  if (text === undefined) return null
  const version = STUB_VERSION.exec(text)?.[1]
  return { text, version: version === undefined ? null : Number(version) }
}

const known = new WeakMap<UkiSection, Map<HashAlgorithm, Buffer>>()

/** The digests that the stub measures a section's bytes as. Each section is read once for all banks that are asked for together. */
export function sectionDigests(uki: Uki, section: UkiSection, banks: readonly HashAlgorithm[]): Digests {
  const digests = known.get(section) ?? new Map<HashAlgorithm, Buffer>()
  known.set(section, digests)
  const missing = banks.filter(bank => !digests.has(bank))
  if (missing.length > 0) {
    const fresh = hashParts(uki.image.source, sectionParts(section), missing)
    for (const [bank, digest] of fresh) digests.set(bank, digest)
  }
  return digests
}

/** What the stub sees of a section: its bytes, and zeros behind them. */
export function sectionParts({ header: { raw }, size }: UkiSection): readonly HashedPart[] {
  const length = Math.min(size, raw.length)
  return [{ offset: raw.offset, length }, { zeros: size - length }]
}

/** A section's bytes in the file, as an image of their own. */
export function sectionImage(uki: Uki, { header, size }: UkiSection): ImageSource {
  return imageWithin(uki.image.source, {
    offset: header.raw.offset,
    length: Math.min(size, header.raw.length),
  })
}

/** What a section of text says, without zeros and space at its end; null if it is too long, or no UTF-8. */
export function sectionText(uki: Uki, section: UkiSection): string | null {
  const image = sectionImage(uki, section)
  if (image.size > MAX_TEXT_BYTES) return null
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(image.read(0, image.size))
    return text.replace(/[\0\s]+$/, '')
  } catch {
    return null
  }
}
