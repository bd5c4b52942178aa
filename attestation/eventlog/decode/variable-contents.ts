import { GUID, GUID_BYTES, guidText } from './guid.ts'
import { type LoadOption, readLoadOption } from './load-option.ts'
import { readSbat, type SbatEntry } from './sbat.ts'
import { readSignatureLists, type SignatureEntry, type SignatureList } from './signature-list.ts'
import { type Slice, SliceReader } from './slice.ts'
import { asciiText, utf16zText } from './text.ts'

/** What the data of a variable means, by its namespace and name. */
export type VariableContents =
  /** The variable is not set. */
  | { readonly form: 'absent' }
  /** One byte, 0 or 1. */
  | { readonly form: 'flag'; readonly on: boolean }
  | { readonly form: 'number'; readonly number: number }
  /** One bit for each of these. */
  | { readonly form: 'bits'; readonly bits: bigint; readonly names: readonly string[] }
  /** The numbers of `Boot####` and their kin, in order, as four hexadecimal digits. */
  | { readonly form: 'order'; readonly options: readonly string[] }
  | { readonly form: 'load-option'; readonly option: LoadOption }
  /** A key database. */
  | { readonly form: 'signatures'; readonly lists: readonly SignatureList[] }
  /** The one entry of a database that an image was verified with. An owner is not always logged. */
  | { readonly form: 'signature'; readonly entry: SignatureEntry }
  | { readonly form: 'sbat'; readonly entries: readonly SbatEntry[] }
  | { readonly form: 'guids'; readonly guids: readonly string[] }
  | { readonly form: 'text'; readonly text: string }
  | { readonly form: 'bytes'; readonly bytes: Buffer }

type ContentsReader = (slice: Slice) => VariableContents

/** More load options than anybody has. */
const MAX_ORDER = 4096

/** Namespace and name in one text. Names are case-sensitive (UEFI 2.10, section 8.2). */
const id = (guid: string, name: string): string => `${guid}/${name}`

const global = (names: readonly string[], read: ContentsReader): [string, ContentsReader][] =>
  names.map(name => [id(GUID.globalVariable, name), read])
const security = (names: readonly string[], read: ContentsReader): [string, ContentsReader][] =>
  names.map(name => [id(GUID.imageSecurityDatabase, name), read])
const shim = (names: readonly string[], read: ContentsReader): [string, ContentsReader][] =>
  names.map(name => [id(GUID.shimLock, name), read])

/** UEFI 2.10, section 3.3, table 3-1; section 32.4; shim, mok.c; systemd, "The Boot Loader Interface". */
const READERS: ReadonlyMap<string, ContentsReader> = new Map([
  ...global(['SecureBoot', 'SetupMode', 'AuditMode', 'DeployedMode', 'VendorKeys', 'devAuthBoot'], flag),
  ...global(
    ['PK', 'KEK', 'PKDefault', 'KEKDefault', 'dbDefault', 'dbxDefault', 'dbtDefault', 'dbrDefault'],
    signatures,
  ),
  ...global(['BootOrder', 'DriverOrder', 'SysPrepOrder'], order),
  ...global(['BootNext', 'BootCurrent', 'Timeout'], number16),
  ...global(['OsIndications', 'OsIndicationsSupported'], osIndications),
  ...global(['SignatureSupport'], guids),
  ...global(['Lang', 'LangCodes', 'PlatformLang', 'PlatformLangCodes'], text8),
  ...security(['db', 'dbx', 'dbt', 'dbr', 'vendor_db', 'vendor_dbx'], signatures),
  ...shim(
    ['MokList', 'MokListRT', 'MokListX', 'MokListXRT', 'MokNew', 'MokDel', 'MokXNew', 'MokXDel'],
    signatures,
  ),
  ...shim(['vendor_db', 'vendor_dbx'], signatures),
  ...shim(
    ['MokListTrusted', 'MokListTrustedRT', 'MokSBState', 'MokSBStateRT', 'MokDBState', 'MokIgnoreDB'],
    flag,
  ),
  ...shim(['SbatLevel', 'SbatLevelRT'], sbat),
  ...shim(['HSIStatus'], text8),
  ...shim(['MokPolicy', 'MokPolicyRT'], number8),
])

/** `Boot0001`: a load option (UEFI 2.10, section 3.3). */
const LOAD_OPTION = /^(Boot|Driver|SysPrep|PlatformRecovery)[0-9A-F]{4}$/
/** What the boot loader and the stub tell is text, but for a few (systemd, "The Boot Loader Interface"). */
const LOADER_BYTES: ReadonlySet<string> = new Set([
  'LoaderRandomSeed',
  'LoaderSystemToken',
  'LoaderFeatures',
  'StubFeatures',
  'LoaderEntries',
])

/**
 * Reads the data of a variable that firmware measured as configuration. What is in no table stays bytes.
 *
 * @throws EventDataError, EncodingError when it is in a table and not of the form that it has to have
 */
export function readVariableContents(guid: string, name: string, slice: Slice): VariableContents {
  if (slice.bytes.length === 0) return { form: 'absent' }
  const read = READERS.get(id(guid, name))
  if (read !== undefined) return read(slice)
  if (guid === GUID.globalVariable && LOAD_OPTION.test(name))
    return { form: 'load-option', option: readLoadOption(slice) }
  if (guid === GUID.bootLoader && !LOADER_BYTES.has(name))
    return { form: 'text', text: utf16zText(slice, name) }
  return bytes(slice)
}

export function bytes(slice: Slice): VariableContents {
  return { form: 'bytes', bytes: slice.bytes }
}

export function signatures(slice: Slice): VariableContents {
  return { form: 'signatures', lists: readSignatureLists(slice) }
}

/** Anything but one byte 0 or 1 is not a flag, and stays bytes: nobody may take it for "off". */
export function flag(slice: Slice): VariableContents {
  const value = slice.bytes.length === 1 ? slice.bytes[0] : undefined
  return value === 0 || value === 1 ? { form: 'flag', on: value === 1 } : bytes(slice)
}

export function sbat(slice: Slice): VariableContents {
  const text = asciiText(slice.bytes)
  const entries = text === null ? null : readSbat(text)
  return entries === null ? bytes(slice) : { form: 'sbat', entries }
}

function order(slice: Slice): VariableContents {
  const reader = new SliceReader(slice, 'BootOrder')
  const options: string[] = []
  while (reader.remaining > 0 && options.length < MAX_ORDER) {
    options.push(reader.u16le('option').toString(16).toUpperCase().padStart(4, '0'))
  }
  reader.end()
  return { form: 'order', options }
}

function number16(slice: Slice): VariableContents {
  return slice.bytes.length === 2 ? { form: 'number', number: slice.bytes.readUInt16LE() } : bytes(slice)
}

function number8(slice: Slice): VariableContents {
  return slice.bytes.length === 1 ? { form: 'number', number: slice.bytes.readUInt8() } : bytes(slice)
}

/** UEFI 2.10, section 8.5.4, from the lowest bit. */
const OS_INDICATIONS = [
  'boot-to-firmware-ui',
  'timestamp-revocation',
  'file-capsule-delivery',
  'fmp-capsule',
  'capsule-result-variable',
  'start-os-recovery',
  'start-platform-recovery',
  'json-config-data-refresh',
]

function osIndications(slice: Slice): VariableContents {
  if (slice.bytes.length !== 8) return bytes(slice)
  const bits = slice.bytes.readBigUInt64LE()
  const names = OS_INDICATIONS.filter((_, bit) => ((bits >> BigInt(bit)) & 1n) === 1n)
  return { form: 'bits', bits, names }
}

/** More types of signatures than anybody has. */
const MAX_GUIDS = 256

/** SignatureSupport: an array of EFI_GUID. */
function guids(slice: Slice): VariableContents {
  const reader = new SliceReader(slice, 'SignatureSupport')
  const list: string[] = []
  while (reader.remaining > 0 && list.length < MAX_GUIDS)
    list.push(guidText(reader.bytes(GUID_BYTES, 'EFI_GUID')))
  reader.end()
  return { form: 'guids', guids: list }
}

function text8(slice: Slice): VariableContents {
  const text = asciiText(slice.bytes)
  return text === null ? bytes(slice) : { form: 'text', text }
}
