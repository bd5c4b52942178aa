import { type DevicePath, readDevicePaths } from './device-path/index.ts'
import { malformed } from './error.ts'
import { type Slice, SliceReader } from './slice.ts'
import { utf16Text } from './text.ts'

/** An EFI_LOAD_OPTION (UEFI 2.10, section 3.1.3): what `Boot####` holds. */
export interface LoadOption {
  readonly attributes: number
  /** LOAD_OPTION_ACTIVE. */
  readonly active: boolean
  readonly description: string
  /** Where the image is; the first one is what is loaded. */
  readonly devicePaths: readonly DevicePath[]
  /** Handed to the image: for a Linux stub, its command line. */
  readonly optionalData: Buffer
}

const LOAD_OPTION_ACTIVE = 1

/** @throws EventDataError, EncodingError */
export function readLoadOption(slice: Slice): LoadOption {
  const reader = new SliceReader(slice, 'EFI_LOAD_OPTION')
  const attributes = reader.u32le('Attributes')
  const pathBytes = reader.u16le('FilePathListLength')
  const description = readDescription(reader)
  const devicePaths = readDevicePaths(reader.slice(pathBytes, 'FilePathList'))
  const optionalData = reader.rest('OptionalData').bytes
  return {
    attributes,
    active: (attributes & LOAD_OPTION_ACTIVE) !== 0,
    description,
    devicePaths,
    optionalData,
  }
}

/** Longer than anybody reads. */
const MAX_DESCRIPTION_UNITS = 4096

/** UTF-16 up to its NUL, whose place only the text itself tells. */
function readDescription(reader: SliceReader): string {
  const at = reader.position
  const { bytes } = reader.peek()
  const most = Math.min(Math.floor(bytes.length / 2), MAX_DESCRIPTION_UNITS)
  for (let units = 0; units < most; units++) {
    if (bytes.readUInt16LE(2 * units) !== 0) continue
    const text = utf16Text(reader.slice(2 * units, 'Description'), 'Description')
    reader.u16le('Description')
    return text
  }
  throw malformed('a description without an end', at)
}
