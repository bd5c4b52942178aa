import { hash } from 'node:crypto'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'
import { type Digests, type HashedPart, hashParts } from './image-source.ts'
import { type UkiChoice, usedSections } from './pcr11.ts'
import type { UkiSectionName } from './section-order.ts'
import { sectionParts, sectionText, type Uki, type UkiSection } from './uki.ts'

/** What Linux measures of what the stub gives it, if nothing beside the image is added: no drop-ins, credentials, extensions or addons. */
export interface KernelEvents {
  /** The command line, null where the image leaves it to the boot loader; `LOADED_IMAGE::LoadOptions`. */
  readonly commandLine: { readonly text: string; readonly digests: Digests } | null
  /** `Linux initrd`; null for an image that gives the kernel none. */
  readonly initrd: Digests | null
}

/** Files that the stub makes of parts, behind the image's own initrd, in this order (systemd, src/boot/stub.c: generate_embedded_initrds). */
const EMBEDDED: readonly { section: UkiSectionName; file: string; since: number }[] = [
  { section: '.pcrsig', file: 'tpm2-pcr-signature.json', since: 252 },
  { section: '.pcrpkey', file: 'tpm2-pcr-public-key.pem', since: 252 },
  { section: '.profile', file: 'profile', since: 257 },
  { section: '.osrel', file: 'os-release', since: 257 },
]

/**
 * Predicts the events of PCR 9.
 *
 * @throws UkiError `UKI_PROFILE_UNKNOWN`
 */
export function predictKernelEvents(
  uki: Uki,
  { banks, ...choice }: { banks: readonly HashAlgorithm[] } & UkiChoice,
): KernelEvents {
  const used = new Map(usedSections(uki, choice, 'all').map(section => [section.name, section]))
  const line = used.get('.cmdline')
  const text = line === undefined ? null : stubCommandLine(sectionText(uki, line))
  const measured = Buffer.from(`${text}\0`, 'utf16le')
  const digests = new Map(banks.map(bank => [bank, hash(bank, measured, 'buffer')]))
  return {
    commandLine: text === null ? null : { text, digests },
    initrd: initrdDigests(uki, used, banks),
  }
}

/** The stub leaves out space at both ends, and has spaces for control characters (src/boot/util.c: mangle_stub_cmdline). */
function stubCommandLine(text: string | null): string | null {
  const whole = text?.replace(/\0.*$/s, '').replace(/\p{Cc}/gu, c => (c < ' ' ? ' ' : c))
  return whole?.replace(/^ +| +$/g, '') ?? null
}

/** Microcode, the image's initrd, then an archive for each embedded file; each padded to four bytes where there are several. */
function initrdDigests(
  uki: Uki,
  used: ReadonlyMap<UkiSectionName, UkiSection>,
  banks: readonly HashAlgorithm[],
): Digests | null {
  const version = uki.stub?.version ?? Number.MAX_SAFE_INTEGER
  const own = [used.get('.ucode'), used.get('.initrd')].flatMap(section =>
    section === undefined ? [] : [{ parts: sectionParts(section), size: section.size }],
  )
  const made = EMBEDDED.flatMap(({ section: name, file, since }) => {
    const section = used.get(name)
    return section === undefined || version < since ? [] : [archive(section, file)]
  })
  const all = [...own, ...made]
  if (all.length === 0) return null
  const parts = all.flatMap(({ parts: one, size }) => (all.length > 1 ? [...one, padding(size)] : one))
  return hashParts(uki.image.source, parts, banks)
}

const DIRECTORY = '.extra'
const DIRECTORY_MODE = 0o040555
const FILE_MODE = 0o100444
const TRAILER = 'TRAILER!!!'

/** A cpio archive of one file (src/boot/cpio.c: pack_cpio_literal). */
function archive(section: UkiSection, file: string): { parts: readonly HashedPart[]; size: number } {
  const directory = entry({ inode: 1, mode: DIRECTORY_MODE, name: DIRECTORY, size: 0 })
  const header = entry({ inode: 2, mode: FILE_MODE, name: `${DIRECTORY}/${file}`, size: section.size })
  const fill = padding(section.size)
  // Its name's length is the one word with a capital letter.
  const trailer = Buffer.from(entry({ inode: 0, mode: 0, name: TRAILER, size: 0 }))
  trailer.write('B', trailer.indexOf(TRAILER) - 9)
  const size = directory.length + header.length + section.size + fill.zeros + trailer.length
  return { parts: [directory, header, ...sectionParts(section), fill, trailer], size }
}

/** The header of a file in the "newc" format (kernel: Documentation/driver-api/early-userspace/buffer-format.rst), with its name. */
function entry({
  inode,
  mode,
  name,
  size,
}: {
  inode: number
  mode: number
  name: string
  size: number
}): Buffer {
  // inode, mode, uid, gid, links, mtime, size, four device numbers, length of the name, checksum
  const words = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name.length + 1, 0]
  const text = `070701${words.map(word => word.toString(16).padStart(8, '0')).join('')}${name}\0`
  return Buffer.concat([Buffer.from(text), Buffer.alloc(padding(text.length).zeros)])
}

function padding(size: number): { readonly zeros: number } {
  return { zeros: (4 - (size % 4)) % 4 }
}
