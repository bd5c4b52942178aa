import { hash } from 'node:crypto'
import {
  EventLogError,
  type HashAlgorithm,
  type ParseEventLogOptions,
  parseEventLog,
} from '../../attestation/index.ts'
import { hashId, hashSize } from '../../attestation/tpm2/structures/index.ts'

export const EV_NO_ACTION = 0x3
export const EV_SEPARATOR = 0x4
export const EV_IPL = 0xd
export const EV_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001
export const EV_EFI_ACTION = 0x80000007
export const EV_EFI_VARIABLE_AUTHORITY = 0x800000e0

export function u32le(...values: number[]): Buffer {
  const out = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) out.writeUInt32LE(value, i * 4)
  return out
}

export function u16le(value: number): Buffer {
  const out = Buffer.alloc(2)
  out.writeUInt16LE(value)
  return out
}

/** The first event of a crypto-agile log. */
export function specId(banks: readonly HashAlgorithm[] = ['sha256'], over: { data?: Buffer } = {}): Buffer {
  const data =
    over.data ??
    Buffer.concat([
      Buffer.from('Spec ID Event03\0'),
      u32le(0),
      Buffer.of(0, 2, 0, 2),
      u32le(banks.length),
      ...banks.flatMap(bank => [u16le(hashId(bank)), u16le(hashSize(bank))]),
      Buffer.of(0),
    ])
  return Buffer.concat([u32le(0, EV_NO_ACTION), Buffer.alloc(20), u32le(data.length), data])
}

/** An event with the digest of its data, unless another is given, in each bank. */
export function event(
  pcr: number,
  type: number,
  data: Uint8Array,
  { banks = ['sha256'], digestOf = data }: { banks?: readonly HashAlgorithm[]; digestOf?: Uint8Array } = {},
): Buffer {
  const digests = banks.map(bank =>
    Buffer.concat([
      u16le(hashId(bank)),
      type === EV_NO_ACTION ? Buffer.alloc(hashSize(bank)) : hash(bank, digestOf, 'buffer'),
    ]),
  )
  return Buffer.concat([u32le(pcr, type, digests.length), ...digests, u32le(data.length), data])
}

/** An event of a SHA-1 log, with the digest of its data unless another is given; null for twenty zero bytes. */
export function sha1Event(
  pcr: number,
  type: number,
  data: Uint8Array,
  digestOf: Uint8Array | null = data,
): Buffer {
  const measured = digestOf !== null && type !== EV_NO_ACTION
  const digest = measured ? hash('sha1', digestOf, 'buffer') : Buffer.alloc(20)
  return Buffer.concat([u32le(pcr, type), digest, u32le(data.length), data])
}

export function startupLocality(locality: number): Buffer {
  return event(0, EV_NO_ACTION, Buffer.concat([Buffer.from('StartupLocality\0'), Buffer.of(locality)]))
}

export const EFI_GLOBAL = '61dfe48bca93d211aa0d00e098032b8c'

export function variable(name: string, value: Uint8Array, guid = EFI_GLOBAL): Buffer {
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64LE(BigInt(name.length))
  lengths.writeBigUInt64LE(BigInt(value.length), 8)
  return Buffer.concat([Buffer.from(guid, 'hex'), lengths, Buffer.from(name, 'utf16le'), value])
}

export function secureBoot(value: number | Uint8Array, guid?: string): Buffer {
  const bytes = typeof value === 'number' ? Buffer.of(value) : value
  return event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', bytes, guid))
}

export function separator(pcr: number, value = 0): Buffer {
  return event(pcr, EV_SEPARATOR, u32le(value))
}

/** PCR after these digests, from a start value. */
export function extend(start: Uint8Array, ...digests: Uint8Array[]): Buffer {
  return digests.reduce<Buffer>(
    (value, digest) => hash('sha256', Buffer.concat([value, digest]), 'buffer'),
    Buffer.from(start),
  )
}

/** What is wrong with a log that does not parse. */
export function errorOf(bytes: Buffer, options?: ParseEventLogOptions): EventLogError {
  try {
    parseEventLog(bytes, options)
  } catch (error) {
    if (error instanceof EventLogError) return error
    throw error
  }
  throw new Error('it parsed')
}
