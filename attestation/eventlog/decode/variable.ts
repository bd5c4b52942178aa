import { readAuthority } from './authority.ts'
import { coverage, type Measured } from './binding.ts'
import { malformed } from './error.ts'
import type { Field } from './field.ts'
import { GUID_BYTES, guidText } from './guid.ts'
import { type Slice, SliceReader } from './slice.ts'
import { utf16Text } from './text.ts'
import { readVariableContents, type VariableContents } from './variable-contents.ts'

/** A UEFI_VARIABLE_DATA structure (PFP 1.06, section 10.2.6), read. */
export interface VariableFields {
  /** The namespace; a name alone says nothing. */
  readonly guid: Field<string>
  readonly name: Field<string>
  readonly data: Field<Buffer>
  /** What `data` means, read by `guid` and `name`: with `data` bound and the name not, the host chose the reading. */
  readonly contents: Field<VariableContents>
}

/** Most UTF-16 code units of a name; real ones have a few dozen. */
const MAX_NAME_UNITS = 1024
/** VariableName, UnicodeNameLength, VariableDataLength. */
const HEADER_BYTES = GUID_BYTES + 16

type ContentsReader = (guid: string, name: string, slice: Slice) => VariableContents

/** A variable that firmware measured: EV_EFI_VARIABLE_DRIVER_CONFIG, EV_EFI_VARIABLE_BOOT and EV_EFI_VARIABLE_BOOT2. */
export function decodeVariable(data: Buffer, by: Measured): VariableFields {
  return decode(data, by, readVariableContents, 0)
}

/**
 * shim up to 15.4 measures five bytes behind the variable, the padding of its structure, and logs one more (tpm.c,
 * tpm_measure_variable).
 */
const SHIM_MEASURED = 5
const SHIM_LOGGED = SHIM_MEASURED + 1

/** The database entry that an image was verified with. */
export function decodeAuthority(data: Buffer, by: Measured): VariableFields {
  return decode(data, by, readAuthority, SHIM_LOGGED)
}

function decode(
  data: Buffer,
  by: Measured,
  readContents: ContentsReader,
  mostTrailing: number,
): VariableFields {
  const layout = new SliceReader({ bytes: data, start: 0 }, 'UEFI_VARIABLE_DATA')
  layout.bytes(GUID_BYTES, 'VariableName')
  const units = layout.size64('UnicodeNameLength', MAX_NAME_UNITS)
  const size = layout.size64('VariableDataLength', data.length)
  const valueFrom = HEADER_BYTES + 2 * units
  const end = valueFrom + size
  if (end > data.length || data.length - end > mostTrailing) {
    throw malformed(`a variable of ${end} bytes in an event of ${data.length}`, HEADER_BYTES)
  }
  // EV_EFI_VARIABLE_BOOT, and EV_EFI_VARIABLE_DRIVER_CONFIG of some firmware, measure the value alone.
  const covered = coverage(data, by, [
    ...(mostTrailing === 0 ? [] : [{ from: 0, to: data.length - 1 }]),
    { from: valueFrom, to: end },
  ])
  const reader = new SliceReader({ bytes: data, start: 0 }, 'UEFI_VARIABLE_DATA', covered)
  const guid = reader.field(() => guidText(reader.bytes(GUID_BYTES, 'VariableName')))
  reader.bytes(16, 'lengths')
  const name = reader.field(() => utf16Text(reader.slice(2 * units, 'UnicodeName'), 'UnicodeName'))
  const slice = reader.field(() => reader.slice(size, 'VariableData'))
  return {
    guid,
    name,
    data: { value: slice.value.bytes, bound: slice.bound },
    contents: { value: readContents(guid.value, name.value, slice.value), bound: slice.bound },
  }
}
