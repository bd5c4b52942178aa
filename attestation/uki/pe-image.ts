import { ByteReader } from '../../encoding/byte-reader.ts'
import { UkiError, type UkiErrorCode } from './error.ts'
import type { ImageSource, Range } from './image-source.ts'

/** One entry of the section table (PE Format, "Section Table"). */
export interface PeSection {
  /** Position in the section table. */
  readonly index: number
  /** Up to eight characters; an image has no longer names. */
  readonly name: string
  /** Bytes in memory. Beyond `raw.length` they are zero. */
  readonly virtualSize: number
  readonly virtualAddress: number
  /** Bytes in the file, rounded up to the file alignment. */
  readonly raw: Range
}

/** The headers of a PE32 or PE32+ image, with all offsets within the file. */
export interface PeImage {
  readonly source: ImageSource
  /** IMAGE_FILE_MACHINE_*; 0x8664 is x86-64, 0xaa64 is AArch64. */
  readonly machine: number
  /** Where the field CheckSum is in the file. */
  readonly checksumOffset: number
  /** Where the data directory's entry of the certificate table is in the file; null if the directory is too short to have it. */
  readonly certificateEntryOffset: number | null
  /** The certificate table, which ends the file; null for an image without a signature. */
  readonly certificates: Range | null
  readonly headersSize: number
  readonly sections: readonly PeSection[]
}

/** Largest image that is read. The section table's offsets have 32 bits; a UKI with its initrd has tens to hundreds of megabytes. */
export const MAX_IMAGE_BYTES = 0x7fff_ffff
const DOS_HEADER_BYTES = 64
/** Where e_lfanew, the offset of the PE header, is. */
const LFANEW_OFFSET = 0x3c
/** `PE\0\0` and the COFF file header. */
const COFF_HEADER_BYTES = 24
const SECTION_HEADER_BYTES = 40
/** A UKI with many profiles or devicetrees has dozens of sections. */
const MAX_SECTIONS = 1024
/** Optional header up to the data directory, by its magic (PE Format, "Optional Header"). */
const OPTIONAL_HEADER_BYTES: ReadonlyMap<number, number> = new Map([
  [0x10b, 96],
  [0x20b, 112],
])
const SIZE_OF_HEADERS_OFFSET = 60
const CHECKSUM_OFFSET = 64
const DIRECTORY_ENTRY_BYTES = 8
const MAX_DIRECTORY_ENTRIES = 16
/** IMAGE_DIRECTORY_ENTRY_SECURITY. Its address is an offset in the file. */
const CERTIFICATE_ENTRY = 4

function fail(code: UkiErrorCode, at: string, offset: number, what: string): UkiError {
  return new UkiError(code, `PE image, ${at}: ${what}`, { at, offset })
}

/** Reads what has to be there. */
function take(source: ImageSource, offset: number, length: number, at: string): ByteReader {
  if (offset + length > source.size) {
    throw fail('PE_TRUNCATED', at, offset, `needs ${length} bytes, the file ends at ${source.size}`)
  }
  return new ByteReader(Buffer.from(source.read(offset, length)), `PE image, ${at}`)
}

/**
 * Reads the headers of an EFI image as firmware does (EDK II, `PeCoffLoaderGetImageInfo`), refusing whatever leaves open which
 * bytes are measured: parts outside the file, overlapping sections, certificates that do not end the file. The file may be
 * anybody's; no length in it leads to an allocation beyond 128 kB.
 *
 * @throws UkiError `PE_…`
 */
export function readPeImage(source: ImageSource): PeImage {
  if (source.size > MAX_IMAGE_BYTES) {
    throw fail('PE_TOO_LARGE', 'file', 0, `${source.size} bytes, at most ${MAX_IMAGE_BYTES} are read`)
  }
  const dos = take(source, 0, DOS_HEADER_BYTES, 'DOS header')
  if (dos.bytes(2, 'e_magic').toString('latin1') !== 'MZ')
    throw fail('PE_NOT_AN_IMAGE', 'DOS header', 0, 'no MZ')
  dos.bytes(LFANEW_OFFSET - 2, 'DOS fields')
  const coffOffset = dos.u32le('e_lfanew')
  if (coffOffset < DOS_HEADER_BYTES) {
    throw fail('PE_NOT_AN_IMAGE', 'DOS header', LFANEW_OFFSET, 'the PE header is inside the DOS header')
  }
  const coff = take(source, coffOffset, COFF_HEADER_BYTES, 'COFF header')
  if (coff.bytes(4, 'Signature').toString('latin1') !== 'PE\0\0') {
    throw fail('PE_NOT_AN_IMAGE', 'COFF header', coffOffset, 'no PE signature')
  }
  const machine = coff.u16le('Machine')
  const count = coff.u16le('NumberOfSections')
  if (count === 0 || count > MAX_SECTIONS) {
    throw fail('PE_HEADER_MALFORMED', 'COFF header', coffOffset, `${count} sections`)
  }
  coff.bytes(12, 'TimeDateStamp, PointerToSymbolTable, NumberOfSymbols')
  const optionalSize = coff.u16le('SizeOfOptionalHeader')
  const optionalOffset = coffOffset + COFF_HEADER_BYTES
  const optional = readOptionalHeader(source, optionalOffset, optionalSize)
  const tableOffset = optionalOffset + optionalSize
  const tableEnd = tableOffset + count * SECTION_HEADER_BYTES
  if (optional.headersSize < tableEnd || optional.headersSize > source.size) {
    const what = `${optional.headersSize} bytes of headers, at least ${tableEnd}, at most ${source.size}`
    throw fail('PE_HEADER_MALFORMED', 'optional header', optionalOffset + SIZE_OF_HEADERS_OFFSET, what)
  }
  const table = take(source, tableOffset, count * SECTION_HEADER_BYTES, 'section table')
  const sections = Array.from({ length: count }, (_, index) => readSection(table, index))
  const image = { source, machine, checksumOffset: optionalOffset + CHECKSUM_OFFSET, ...optional, sections }
  checkLayout(image, tableOffset)
  return image
}

function readOptionalHeader(
  source: ImageSource,
  start: number,
  size: number,
): Pick<PeImage, 'headersSize' | 'certificateEntryOffset' | 'certificates'> {
  const at = 'optional header'
  const header = take(source, start, size, at)
  const magic = size < 2 ? 0 : header.u16le('Magic')
  const fixed = OPTIONAL_HEADER_BYTES.get(magic)
  if (fixed === undefined || size < fixed) {
    throw fail('PE_NOT_AN_IMAGE', at, start, `magic 0x${magic.toString(16)} in ${size} bytes`)
  }
  header.bytes(SIZE_OF_HEADERS_OFFSET - 2, 'fields before SizeOfHeaders')
  const headersSize = header.u32le('SizeOfHeaders')
  header.bytes(fixed - SIZE_OF_HEADERS_OFFSET - 8, 'fields before NumberOfRvaAndSizes')
  const entries = header.u32le('NumberOfRvaAndSizes')
  if (entries > MAX_DIRECTORY_ENTRIES || fixed + entries * DIRECTORY_ENTRY_BYTES !== size) {
    throw fail('PE_HEADER_MALFORMED', at, start, `${entries} data directories in ${size} bytes`)
  }
  if (entries <= CERTIFICATE_ENTRY) return { headersSize, certificateEntryOffset: null, certificates: null }
  header.bytes(CERTIFICATE_ENTRY * DIRECTORY_ENTRY_BYTES, 'data directories')
  const offset = header.u32le('certificate table address')
  const length = header.u32le('certificate table size')
  const certificateEntryOffset = start + fixed + CERTIFICATE_ENTRY * DIRECTORY_ENTRY_BYTES
  return {
    headersSize,
    certificateEntryOffset,
    certificates: length === 0 ? null : { offset, length },
  }
}

function readSection(table: ByteReader, index: number): PeSection {
  const name = table.bytes(8, 'Name').toString('latin1').replace(/\0.*$/s, '')
  const virtualSize = table.u32le('VirtualSize')
  const virtualAddress = table.u32le('VirtualAddress')
  const length = table.u32le('SizeOfRawData')
  const offset = table.u32le('PointerToRawData')
  table.bytes(16, 'relocations, line numbers, Characteristics')
  return { index, name, virtualSize, virtualAddress, raw: { offset, length } }
}

/** Every byte is in at most one part, and all parts are in the file. */
function checkLayout(image: PeImage, tableOffset: number): void {
  const { source, sections, certificates, headersSize } = image
  if (certificates !== null && certificates.offset + certificates.length !== source.size) {
    const offset = image.certificateEntryOffset ?? 0
    throw fail('PE_CERTIFICATES_MALFORMED', 'certificate table', offset, 'it is not what the file ends with')
  }
  const end = certificates?.offset ?? source.size
  let last = headersSize
  for (const { raw, name, index } of sections.filter(hasData).toSorted(byOffset)) {
    if (raw.offset < last || raw.offset + raw.length > end) {
      const what = `bytes ${raw.offset} to ${raw.offset + raw.length}: in another part, or not in the file`
      const at = `section ${index} (${JSON.stringify(name)})`
      throw fail('PE_SECTION_MALFORMED', at, tableOffset + index * SECTION_HEADER_BYTES, what)
    }
    last = raw.offset + raw.length
  }
}

/** Whether a section has bytes in the file. */
export function hasData({ raw }: PeSection): boolean {
  return raw.length > 0
}

/** Order in the file. */
export function byOffset(a: PeSection, b: PeSection): number {
  return a.raw.offset - b.raw.offset
}
