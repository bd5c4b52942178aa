import { kernelHashSize } from './algorithms.ts'
import { entryError, type ImaLogError } from './error.ts'
import { LEGACY_TEMPLATE } from './template.ts'

/**
 * What varies in the binary form (security/integrity/ima/ima_fs.c, ima_measurements_show): the byte order, which is the host's unless it was
 * started with `ima_canonical_fmt`; and the hash in the column beside each entry, SHA-1 but for the lists that Linux 6.10 and later
 * have per bank (`binary_runtime_measurements_sha256`).
 */
export interface ImaLayout {
  readonly bigEndian: boolean
  readonly columnBytes: ColumnBytes
}
export type ColumnBytes = 20 | 32 | 48 | 64
const COLUMN_BYTES: readonly ColumnBytes[] = [20, 32, 48, 64]

/** Most bytes of one entry's template data: a path has 4 KiB, a signature some hundred bytes, a measured buffer more. */
export const MAX_TEMPLATE_BYTES = 4 << 20
/** TCG_EVENT_NAME_LEN_MAX (ima.h). */
const MAX_NAME_BYTES = 255
/** IMA_DIGEST_SIZE and IMA_EVENT_NAME_LEN_MAX (ima.h). */
export const LEGACY_DIGEST_BYTES = 20
export const LEGACY_NAME_BYTES = 255

/** Where the parts of one entry are. */
export interface ImaFrame {
  readonly pcr: number
  /** Offsets in the buffer that was looked at. */
  readonly column: number
  readonly nameStart: number
  readonly nameEnd: number
  readonly dataStart: number
  readonly end: number
}

/** Reads a 32-bit number in the host's byte order. */
export function readU32(bytes: Buffer, offset: number, bigEndian: boolean): number {
  return bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset)
}

/**
 * Tells the layout from the first entry, or gives null when more bytes are needed. The result depends on the first bytes alone, never on how
 * many there are. What is told wrong does not replay.
 */
export function detectLayout(log: Buffer): ImaLayout | null {
  if (log.length < 4) return null
  const bigEndian = log.readUInt32LE(0) > 0xff && log.readUInt32BE(0) <= 0xff
  for (const columnBytes of COLUMN_BYTES) {
    const nameStart = 4 + columnBytes + 4
    if (log.length < nameStart) return null
    const nameLength = readU32(log, nameStart - 4, bigEndian)
    if (nameLength === 0 || nameLength > MAX_NAME_BYTES) continue
    if (log.length < nameStart + nameLength) return null
    if (isName(log.subarray(nameStart, nameStart + nameLength))) return { bigEndian, columnBytes }
  }
  return { bigEndian, columnBytes: 20 }
}

/** Letters, digits, hyphens, bars: all that templates are named by. */
function isName(bytes: Buffer): boolean {
  return bytes.every(byte => byte > 0x20 && byte < 0x7f)
}

/** `ima`, which alone has no length before its data. */
export function isLegacy(log: Buffer, nameStart: number, nameEnd: number): boolean {
  return (
    nameEnd - nameStart === LEGACY_TEMPLATE.length &&
    log[nameStart] === 0x69 &&
    log[nameStart + 1] === 0x6d &&
    log[nameStart + 2] === 0x61
  )
}

/** PCRs of a TPM for PC clients (TCG PC Client Platform TPM Profile 1.05, section 4.6). */
const PCR_COUNT = 24

/**
 * Finds the end of the entry at `start`, or gives -1 when it is not there yet. No length is believed beyond its bound.
 *
 * @throws ImaLogError `IMA_LOG_MALFORMED`
 */
export function frameEnd(
  log: Buffer,
  start: number,
  filled: number,
  layout: ImaLayout,
  index: number,
): number {
  const { bigEndian, columnBytes } = layout
  const nameStart = start + 8 + columnBytes
  if (nameStart > filled) return -1
  const pcr = readU32(log, start, bigEndian)
  if (pcr >= PCR_COUNT) throw malformed(index, `there is no PCR ${pcr}`, start)
  const nameLength = readU32(log, nameStart - 4, bigEndian)
  if (nameLength === 0 || nameLength > MAX_NAME_BYTES)
    throw malformed(index, `a template name of ${nameLength} bytes`, nameStart - 4)
  const nameEnd = nameStart + nameLength
  if (isLegacyWithin(log, nameStart, nameEnd, filled))
    return legacyEnd(log, nameEnd, filled, bigEndian, index)
  if (nameEnd + 4 > filled) return -1
  const dataLength = readU32(log, nameEnd, bigEndian)
  if (dataLength > MAX_TEMPLATE_BYTES) throw malformed(index, `template data of ${dataLength} bytes`, nameEnd)
  const end = nameEnd + 4 + dataLength
  return end > filled ? -1 : end
}

function isLegacyWithin(log: Buffer, nameStart: number, nameEnd: number, filled: number): boolean {
  return nameEnd <= filled && isLegacy(log, nameStart, nameEnd)
}

/** Digest, length of the name, the name without a zero byte (IMA_SHOW_BINARY_OLD_STRING_FMT). */
function legacyEnd(log: Buffer, nameEnd: number, filled: number, bigEndian: boolean, index: number): number {
  const lengthAt = nameEnd + LEGACY_DIGEST_BYTES
  if (lengthAt + 4 > filled) return -1
  const length = readU32(log, lengthAt, bigEndian)
  if (length > LEGACY_NAME_BYTES) throw malformed(index, `a file name of ${length} bytes`, lengthAt)
  const end = lengthAt + 4 + length
  return end > filled ? -1 : end
}

function malformed(index: number, what: string, offset: number): ImaLogError {
  return entryError('IMA_LOG_MALFORMED', index, what, { offset })
}

/** Where the parts of a whole entry are that begins at `start`. */
export function frameAt(log: Buffer, start: number, end: number, layout: ImaLayout): ImaFrame {
  const column = start + 4
  const nameStart = column + layout.columnBytes + 4
  const nameEnd = nameStart + readU32(log, nameStart - 4, layout.bigEndian)
  const legacy = isLegacy(log, nameStart, nameEnd)
  return {
    pcr: readU32(log, start, layout.bigEndian),
    column,
    nameStart,
    nameEnd,
    dataStart: legacy ? nameEnd : nameEnd + 4,
    end,
  }
}

/**
 * What an entry's template hash is over: its template data; of the oldest template the digest and the name filled up with zeros to 256
 * bytes, without lengths (ima_crypto.c, ima_calc_field_array_hash_tfm).
 */
export function hashedData(log: Buffer, { nameStart, nameEnd, dataStart, end }: ImaFrame): Buffer {
  if (!isLegacy(log, nameStart, nameEnd)) return log.subarray(dataStart, end)
  const data = Buffer.alloc(LEGACY_DIGEST_BYTES + LEGACY_NAME_BYTES + 1)
  log.copy(data, 0, dataStart, dataStart + LEGACY_DIGEST_BYTES)
  log.copy(data, LEGACY_DIGEST_BYTES, dataStart + LEGACY_DIGEST_BYTES + 4, end)
  return data
}

/** The hash of a column with so many bytes. */
export const COLUMN_HASH = { 20: 'sha1', 32: 'sha256', 48: 'sha384', 64: 'sha512' } as const satisfies Record<
  ColumnBytes,
  string
>

/** Whether a column of a hash with so many bytes exists. */
export function isColumnBytes(bytes: number): bytes is ColumnBytes {
  return (
    (COLUMN_BYTES as readonly number[]).includes(bytes) &&
    kernelHashSize(COLUMN_HASH[bytes as ColumnBytes]) === bytes
  )
}
