import { coverage, isMeasured, type Measured } from './binding.ts'
import type {
  BlobFields,
  DecodedKind,
  HandoffTable,
  MemoryEncryption,
  NoteFields,
  SeparatorMeaning,
} from './decoded.ts'
import { type Field, field } from './field.ts'
import { configurationTableName, GUID_BYTES, guidText } from './guid.ts'
import { SliceReader, wholeOf } from './slice.ts'
import { asciiText, utf16TextIfAny } from './text.ts'

/** Text as far as it is one; what binds it is the digest over all of the data. */
export function decodeNote(data: Buffer, by: Measured): NoteFields {
  const covered = coverage(data, by)
  const whole = <T>(value: T): Field<T> => field(value, covered, 0, data.length)
  return { text: whole(asciiText(data) ?? utf16TextIfAny(data)), data: whole(data) }
}

const ERROR_SEPARATOR = Buffer.from([1, 0, 0, 0])
const MEANINGS: ReadonlyMap<string, SeparatorMeaning> = new Map([
  ['00000000', 'zero'],
  ['ffffffff', 'ones'],
])

/** EV_SEPARATOR (PFP 1.06, section 10.4.1). After an error the digest is that of 1, and the data say what went wrong. */
export function decodeSeparator(
  data: Buffer,
  by: Measured,
): Omit<DecodedKind<'separator'>, 'kind' | 'measured'> {
  const covered = coverage(data, by)
  if (covered === null && isMeasured(ERROR_SEPARATOR, by)) {
    return { meaning: { value: 'error', bound: true }, data: { value: data, bound: false } }
  }
  const meaning = data.equals(ERROR_SEPARATOR) ? 'error' : (MEANINGS.get(data.toString('hex')) ?? 'other')
  return { meaning: field(meaning, covered, 0, data.length), data: field(data, covered, 0, data.length) }
}

/** EV_S_CRTM_VERSION: text in UTF-16, or a GUID (PFP 1.06, section 10.4.1). */
export function decodeVersion(
  data: Buffer,
  by: Measured,
): Omit<DecodedKind<'crtm-version'>, 'kind' | 'measured'> {
  const covered = coverage(data, by)
  const text = asciiText(data) ?? utf16TextIfAny(data)
  const version = text ?? (data.length === GUID_BYTES ? guidText(data) : null)
  return { version: field(version, covered, 0, data.length), data: field(data, covered, 0, data.length) }
}

/** UEFI_PLATFORM_FIRMWARE_BLOB (PFP 1.06, section 10.2.4): two 64-bit numbers. */
export const BLOB_BYTES = 16

export function decodeBlob(data: Buffer, by: Measured): BlobFields {
  return readBlob(new SliceReader(wholeOf(data), 'UEFI_PLATFORM_FIRMWARE_BLOB', coverage(data, by)), false)
}

/** UEFI_PLATFORM_FIRMWARE_BLOB2: the same behind a description. */
export function decodeBlob2(data: Buffer, by: Measured): BlobFields {
  return readBlob(new SliceReader(wholeOf(data), 'UEFI_PLATFORM_FIRMWARE_BLOB2', coverage(data, by)), true)
}

function readBlob(reader: SliceReader, described: boolean): BlobFields {
  const description = reader.field(() => (described ? readDescription(reader) : null))
  const base = reader.field(() => reader.u64le('BlobBase'))
  const length = reader.field(() => reader.u64le('BlobLength'))
  reader.end()
  return { description, base, length }
}

function readDescription(reader: SliceReader): string {
  return reader.bytes(reader.u8('DescriptionSize'), 'Description').toString('latin1').replace(/\0$/, '')
}

/** Firmware hands over about a dozen. */
const MAX_TABLES = 1024

/** UEFI_HANDOFF_TABLE_POINTERS and its second form (PFP 1.06, section 10.2.5). */
export function decodeHandoffTables(
  data: Buffer,
  by: Measured,
  described: boolean,
): Omit<DecodedKind<'handoff-tables'>, 'kind' | 'measured'> {
  const reader = new SliceReader(wholeOf(data), 'UEFI_HANDOFF_TABLE_POINTERS', coverage(data, by))
  const description = reader.field(() => (described ? readDescription(reader) : null))
  const tables = reader.field(() => {
    const there = Math.floor(Math.max(0, reader.remaining - 8) / (GUID_BYTES + 8))
    const count = reader.size64('NumberOfTables', Math.min(MAX_TABLES, there))
    return Array.from({ length: count }, (): HandoffTable => {
      const guid = guidText(reader.bytes(GUID_BYTES, 'VendorGuid'))
      return { guid, name: configurationTableName(guid), address: reader.u64le('VendorTable') }
    })
  })
  reader.end()
  return { description, tables }
}

/** How Google's firmware says what encrypts the memory: a signature, a number, zeros (go-tpm-tools, server/eventlog.go). */
const GCE_SIGNATURE = Buffer.from('GCE NonHostInfo\0', 'latin1')
const MEMORY_ENCRYPTION: readonly MemoryEncryption[] = [
  'none',
  'amd-sev',
  'amd-sev-es',
  'intel-tdx',
  'amd-sev-snp',
]

export function decodeNonhost(
  data: Buffer,
  by: Measured,
): NoteFields & { memoryEncryption: Field<MemoryEncryption | null> } {
  const note = decodeNote(data, by)
  const number = data.subarray(0, GCE_SIGNATURE.length).equals(GCE_SIGNATURE)
    ? data[GCE_SIGNATURE.length]
    : undefined
  const value = number === undefined ? null : (MEMORY_ENCRYPTION[number] ?? 'unknown')
  return { ...note, memoryEncryption: { value, bound: note.data.bound } }
}
