import { GUID_BYTES, guidText } from '../guid.ts'

/** Types of device path nodes (UEFI 2.10, section 10.3). */
export const TYPE = { hardware: 1, acpi: 2, messaging: 3, media: 4, bios: 5, end: 0x7f } as const
export const END_INSTANCE = 0x01
export const END_ENTIRE = 0xff

/** The text of a node with these bytes behind its header, null when they are not what the kind calls for. */
export type NodeReader = (data: Buffer) => string | null

/** Type and subtype in one number. */
export function nodeKey(type: number, subType: number): number {
  return (type << 8) | subType
}

/** A reader for nodes that have exactly, or (`open`) at least, so many bytes. */
export function sized(bytes: number, read: (data: Buffer) => string | null, open?: 'open'): NodeReader {
  return data => (data.length === bytes || (open !== undefined && data.length > bytes) ? read(data) : null)
}

export function hex(value: number | bigint): string {
  return `0x${value.toString(16).toUpperCase()}`
}

/** `VenHw(guid)`, with the vendor's bytes if there are any. */
export function vendor(name: string): NodeReader {
  return sized(
    GUID_BYTES,
    data => {
      const rest = data.subarray(GUID_BYTES).toString('hex').toUpperCase()
      const guid = guidText(data.subarray(0, GUID_BYTES)).toUpperCase()
      return rest === '' ? `${name}(${guid})` : `${name}(${guid},${rest})`
    },
    'open',
  )
}

/** `Fv(guid)` and its kin. */
export function named(name: string): NodeReader {
  return sized(GUID_BYTES, data => `${name}(${guidText(data).toUpperCase()})`)
}

/** Bytes as text up to the first NUL; null when they are not printable. */
export function printable(bytes: Buffer): string | null {
  const nul = bytes.indexOf(0)
  const text = bytes.toString('latin1', 0, nul < 0 ? bytes.length : nul)
  return /^[\x20-\x7e]*$/.test(text) ? text : null
}
