import { coverage, type Measured } from './binding.ts'
import { type DevicePath, readDevicePath } from './device-path/index.ts'
import { malformed } from './error.ts'
import type { Field } from './field.ts'
import { SliceReader, wholeOf } from './slice.ts'

/** A DEVICE_SECURITY_EVENT_DATA or its second form (PFP 1.06, section 10.2.7): what a device says of its firmware. */
export interface SpdmFields {
  readonly version: Field<number>
  /** TCG_DEVICE_SECURITY_EVENT_DATA_DEVICE_TYPE. */
  readonly deviceType: Field<string>
  /** How the device proved who it is; null in the first form. */
  readonly authentication: Field<string | null>
  readonly devicePath: Field<DevicePath | null>
  /** Measurement blocks or a certificate chain, and what the bus says of the device. */
  readonly body: Field<Buffer>
}

export const SPDM_SIGNATURE_1 = 'SPDM Device Sec\0'
export const SPDM_SIGNATURE_2 = 'SPDM Device Sec2'
const DEVICE_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'none'],
  [1, 'pci'],
  [2, 'usb'],
])
const AUTHENTICATION: ReadonlyMap<number, string> = new Map([
  [0, 'success'],
  [1, 'no-authority'],
  [2, 'no-binding'],
  [3, 'no-signature'],
  [4, 'invalid'],
  [0xff, 'no-spdm'],
])

export function decodeSpdm(data: Buffer, by: Measured): SpdmFields {
  return readSpdm(new SliceReader(wholeOf(data), 'DEVICE_SECURITY_EVENT_DATA', coverage(data, by)))
}

export function readSpdm(reader: SliceReader): SpdmFields {
  const at = reader.position
  const signature = reader.bytes(16, 'Signature').toString('latin1')
  if (signature === SPDM_SIGNATURE_1) return readFirst(reader)
  if (signature === SPDM_SIGNATURE_2) return readSecond(reader)
  throw malformed('no signature of a device security event', at)
}

function readFirst(reader: SliceReader): SpdmFields {
  const version = reader.field(() => reader.u16le('Version'))
  // Length, SpdmHashAlgo.
  reader.bytes(6, 'header')
  const deviceType = reader.field(() => typeName(reader.u32le('DeviceType')))
  return {
    version,
    deviceType,
    authentication: { value: null, bound: deviceType.bound },
    devicePath: { value: null, bound: deviceType.bound },
    body: reader.field(() => reader.rest('body').bytes),
  }
}

function readSecond(reader: SliceReader): SpdmFields {
  const version = reader.field(() => reader.u16le('Version'))
  const authentication = reader.field(() => {
    const state = reader.u8('AuthState')
    return AUTHENTICATION.get(state) ?? `0x${state.toString(16)}`
  })
  reader.u8('Reserved')
  const length = reader.u32le('Length')
  if (length > reader.remaining)
    throw malformed(`a length of ${length} in ${reader.remaining} bytes`, reader.position - 4)
  const deviceType = reader.field(() => typeName(reader.u32le('DeviceType')))
  // SubHeaderType, SubHeaderLength, SubHeaderUID.
  reader.bytes(16, 'header')
  const devicePath = reader.field(() => {
    const size = reader.size64('DevicePathLength', Math.max(0, reader.remaining - 8))
    return size === 0 ? null : readDevicePath(reader.slice(size, 'DevicePath'))
  })
  return {
    version,
    deviceType,
    authentication,
    devicePath,
    body: reader.field(() => reader.rest('body').bytes),
  }
}

function typeName(type: number): string {
  return DEVICE_TYPES.get(type) ?? `0x${type.toString(16)}`
}
