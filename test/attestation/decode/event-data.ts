import { hash } from 'node:crypto'
import {
  type DecodedEvent,
  type DecodedKind,
  decodeEvent,
} from '../../../attestation/eventlog/decode/index.ts'
import type { TcgEvent } from '../../../attestation/eventlog/index.ts'
import { u16le, u32le } from '../tcg-log.ts'

/** An event with the SHA-256 digest of `digestOf`, all of its data unless said otherwise. */
export function loggedEvent(
  type: number,
  data: Uint8Array,
  { pcr = 0, digestOf = data, index = 1 }: { pcr?: number; digestOf?: Uint8Array; index?: number } = {},
): TcgEvent {
  const digest = hash('sha256', digestOf, 'buffer')
  return { index, offset: 0, pcr, type, digests: new Map([['sha256', digest]]), data: Buffer.from(data) }
}

/** What such an event decodes to; a test that gets another kind fails. */
export function decodedAs<K extends DecodedEvent['kind']>(
  kind: K,
  type: number,
  data: Uint8Array,
  options: { pcr?: number; digestOf?: Uint8Array } = {},
): DecodedKind<K> {
  const decoded = decodeEvent(loggedEvent(type, data, options), 'sha256')
  if (decoded.kind !== kind) throw new Error(`decoded as ${JSON.stringify(decoded)}, not as ${kind}`)
  return decoded as DecodedKind<K>
}

export function u64le(...values: (number | bigint)[]): Buffer {
  const out = Buffer.alloc(values.length * 8)
  for (const [i, value] of values.entries()) out.writeBigUInt64LE(BigInt(value), i * 8)
  return out
}

export function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le')
}

/** An EFI_GUID from its text. */
export function guid(text: string): Buffer {
  const [a = '', b = '', c = '', d = '', e = ''] = text.split('-')
  const swapped = [a, b, c].map(part => Buffer.from(part, 'hex').reverse())
  return Buffer.concat([...swapped, Buffer.from(d + e, 'hex')])
}

/** UEFI_VARIABLE_DATA. */
export function variableData(namespace: string, name: string, value: Uint8Array): Buffer {
  return Buffer.concat([guid(namespace), u64le(name.length, value.length), utf16(name), value])
}

/** EFI_SIGNATURE_LIST. */
export function signatureList(
  type: string,
  signatures: readonly Uint8Array[],
  over: { header?: Uint8Array; headerSize?: number; size?: number; listSize?: number } = {},
): Buffer {
  const header = over.header ?? Buffer.alloc(0)
  const size = over.size ?? signatures[0]?.length ?? 0
  const body = Buffer.concat(signatures)
  const sizes = u32le(
    over.listSize ?? 28 + header.length + body.length,
    over.headerSize ?? header.length,
    size,
  )
  return Buffer.concat([guid(type), sizes, header, body])
}

/** A node of a device path. */
export function node(type: number, subType: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([Buffer.of(type, subType), u16le(4 + data.length), data])
}

export const END_OF_PATH = node(0x7f, 0xff)
