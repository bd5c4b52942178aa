import { ByteReader } from '../../encoding/byte-reader.ts'
import { EncodingError } from '../../encoding/error.ts'

/** A UEFI_VARIABLE_DATA structure (PFP 1.06, section 10.2.6). */
export interface UefiVariable {
  /** EFI_GUID as its 16 bytes stand in memory. */
  readonly guid: Buffer
  readonly name: string
  readonly value: Buffer
}

/** Most UTF-16 code units of a name; real ones have a few dozen. */
const MAX_NAME_UNITS = 1024

/** Reads an event's data as a variable, or gives null when it is none. Bounded like every read of a log. */
export function readUefiVariable(data: Uint8Array): UefiVariable | null {
  try {
    const reader = new ByteReader(data, 'UEFI_VARIABLE_DATA')
    const guid = reader.bytes(16, 'VariableName')
    const units = reader.u64le('UnicodeNameLength')
    const size = reader.u64le('VariableDataLength')
    if (units > MAX_NAME_UNITS || size > reader.remaining) return null
    const name = reader.bytes(Number(units) * 2, 'UnicodeName').toString('utf16le')
    const value = reader.bytes(Number(size), 'VariableData')
    reader.end()
    return { guid, name, value }
  } catch (error) {
    if (error instanceof EncodingError) return null
    throw error
  }
}

/** EFI_GLOBAL_VARIABLE, 8be4df61-93ca-11d2-aa0d-00e098032b8c (UEFI 2.10, section 3.3). */
const EFI_GLOBAL_VARIABLE = Buffer.from('61dfe48bca93d211aa0d00e098032b8c', 'hex')

/** Whether this is the firmware's own `SecureBoot`, not one of the same name under another GUID. */
export function isSecureBoot(variable: UefiVariable): boolean {
  return variable.name === 'SecureBoot' && variable.guid.equals(EFI_GLOBAL_VARIABLE)
}
