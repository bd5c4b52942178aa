import { readDevicePath } from './device-path/index.ts'
import type { Field } from './field.ts'
import { GUID_BYTES, guidText } from './guid.ts'
import { type Slice, SliceReader } from './slice.ts'
import { asciiText, utf16zText } from './text.ts'

/** Where a document is (TCG_LOCATOR_TYPE). */
export type Locator =
  | { readonly form: 'raw'; readonly bytes: Buffer }
  | { readonly form: 'uri'; readonly uri: string }
  | { readonly form: 'device-path'; readonly path: string }
  | { readonly form: 'variable'; readonly guid: string; readonly name: string }
  | { readonly form: 'unknown'; readonly type: number; readonly bytes: Buffer }

/** A TCG_Sp800_155_PlatformId_Event, 2 or 3 (PFP 1.06, section 10.4.5.2): which reference manifest is the platform's. A hint. */
export interface PlatformIdFields {
  readonly version: 1 | 2 | 3
  /** An enterprise number of IANA. */
  readonly vendorId: Field<number>
  readonly referenceManifest: Field<string>
  /** The rest is in version 2 and 3. */
  readonly platform: Field<PlatformNames> | null
  /** These are in version 3. */
  readonly referenceManifestAt: Field<Locator> | null
  readonly platformCertificateAt: Field<Locator> | null
}

export interface PlatformNames {
  readonly platformManufacturer: string
  readonly platformModel: string
  readonly platformVersion: string
  readonly firmwareManufacturer: string
  readonly firmwareManufacturerId: number
  readonly firmwareVersion: string
}

/** Reads what follows the signature. */
export function readPlatformId(reader: SliceReader, version: 1 | 2 | 3): PlatformIdFields {
  const vendorId = reader.field(() => reader.u32le('VendorId'))
  const referenceManifest = reader.field(() => guidText(reader.bytes(GUID_BYTES, 'ReferenceManifestGuid')))
  const platform = version === 1 ? null : reader.field(() => readNames(reader))
  const located = version === 3
  return {
    version,
    vendorId,
    referenceManifest,
    platform,
    referenceManifestAt: located ? reader.field(() => readLocator(reader)) : null,
    platformCertificateAt: located ? reader.field(() => readLocator(reader)) : null,
  }
}

function readNames(reader: SliceReader): PlatformNames {
  const text = (name: string): string =>
    reader
      .bytes(reader.u8(`${name}Size`), name)
      .toString('latin1')
      .replace(/\0$/, '')
  return {
    platformManufacturer: text('PlatformManufacturerStr'),
    platformModel: text('PlatformModel'),
    platformVersion: text('PlatformVersion'),
    firmwareManufacturer: text('FirmwareManufacturerStr'),
    firmwareManufacturerId: reader.u32le('FirmwareManufacturerId'),
    firmwareVersion: text('FirmwareVersion'),
  }
}

function readLocator(reader: SliceReader): Locator {
  const type = reader.u32le('LocatorType')
  const slice = reader.slice(reader.u32le('LocatorLength'), 'Locator')
  switch (type) {
    case 0:
      return { form: 'raw', bytes: slice.bytes }
    case 1: {
      const uri = asciiText(slice.bytes)
      return uri === null ? { form: 'unknown', type, bytes: slice.bytes } : { form: 'uri', uri }
    }
    case 2:
      return { form: 'device-path', path: readDevicePath(slice).text }
    case 3:
      return readVariableName(slice)
    default:
      return { form: 'unknown', type, bytes: slice.bytes }
  }
}

function readVariableName(slice: Slice): Locator {
  const reader = new SliceReader(slice, 'Locator')
  const guid = guidText(reader.bytes(GUID_BYTES, 'VariableName'))
  return { form: 'variable', guid, name: utf16zText(reader.rest('UnicodeName'), 'UnicodeName') }
}
