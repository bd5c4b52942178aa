import { coverage, type Measured } from './binding.ts'
import { type DevicePath, readDevicePath } from './device-path/index.ts'
import type { Field } from './field.ts'
import { SliceReader, wholeOf } from './slice.ts'

export interface ImageLoadFields {
  readonly digest: Field<string>
  readonly address: Field<bigint>
  readonly length: Field<bigint>
  readonly linkTimeAddress: Field<bigint>
  readonly devicePath: Field<DevicePath | null>
}

/** shim logs up to nine bytes behind the path (tpm.c, tpm_log_pe: the size of a structure that ends with the path's first node). */
const SHIM_TRAILING = 9

/**
 * A UEFI_IMAGE_LOAD_EVENT (PFP 1.06, section 10.2.3). Its digest is the Authenticode digest of the image, so that nothing in the data
 * is bound: the path is what firmware says, and anybody may have changed it since.
 */
export function decodeImageLoad(data: Buffer, by: Measured): ImageLoadFields {
  const reader = new SliceReader(wholeOf(data), 'UEFI_IMAGE_LOAD_EVENT', coverage(data, by))
  const address = reader.field(() => reader.u64le('ImageLocationInMemory'))
  const length = reader.field(() => reader.u64le('ImageLengthInMemory'))
  const linkTimeAddress = reader.field(() => reader.u64le('ImageLinkTimeAddress'))
  const devicePath = reader.field(() => {
    const size = reader.size64('LengthOfDevicePath', reader.remaining - 8)
    return size === 0 ? null : readDevicePath(reader.slice(size, 'DevicePath'))
  })
  if (reader.remaining > SHIM_TRAILING) reader.end()
  const digest = { value: by.digest?.toString('hex') ?? '', bound: by.digest !== null }
  return { digest, address, length, linkTimeAddress, devicePath }
}
