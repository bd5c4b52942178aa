import { hex, type NodeReader, nodeKey, printable, sized, TYPE } from './node.ts'

/** Devices with a text form of their own (UEFI 2.10, table 10-5). */
const NAMED: ReadonlyMap<string, string> = new Map([
  ['PNP0A03', 'PciRoot'],
  ['PNP0A08', 'PcieRoot'],
  ['PNP0604', 'Floppy'],
  ['PNP0301', 'Keyboard'],
  ['PNP0501', 'Serial'],
  ['PNP0401', 'ParallelPort'],
])

/** A compressed EISA identifier: three letters of five bits each in the low half, big-endian, and the product in the high half. */
function eisaId(id: number): string {
  if ((id & 0xffff) !== 0x41d0) return hex(id)
  return `PNP${(id >>> 16).toString(16).toUpperCase().padStart(4, '0')}`
}

/** ACPI device path (UEFI 2.10, section 10.3.3). */
export const ACPI_NODES: readonly (readonly [number, NodeReader])[] = [
  [
    nodeKey(TYPE.acpi, 1),
    sized(8, data => {
      const [hid, uid] = [eisaId(data.readUInt32LE(0)), hex(data.readUInt32LE(4))]
      const name = NAMED.get(hid)
      return name === undefined ? `Acpi(${hid},${uid})` : `${name}(${uid})`
    }),
  ],
  [nodeKey(TYPE.acpi, 2), sized(15, expanded, 'open')],
  [nodeKey(TYPE.acpi, 3), sized(4, addresses, 'open')],
  [nodeKey(TYPE.acpi, 4), sized(4, data => `NvdimmAcpiAdr(${hex(data.readUInt32LE(0))})`)],
]

/** HID, UID, CID, and the same as strings that end with a NUL each. */
function expanded(data: Buffer): string | null {
  const strings = data.subarray(12).toString('latin1').split('\0')
  if (strings.length !== 4 || strings[3] !== '') return null
  const [hidText, uidText, cidText] = strings.map(text => printable(Buffer.from(text, 'latin1')))
  if (typeof hidText !== 'string' || typeof uidText !== 'string' || typeof cidText !== 'string') return null
  const [hid, uid, cid] = [data.readUInt32LE(0), data.readUInt32LE(4), data.readUInt32LE(8)]
  return `AcpiEx(${eisaId(hid)},${eisaId(cid)},${hex(uid)},${hidText},${cidText},${uidText})`
}

function addresses(data: Buffer): string | null {
  if (data.length % 4 !== 0) return null
  const list = Array.from({ length: data.length / 4 }, (_, i) => hex(data.readUInt32LE(4 * i)))
  return `AcpiAdr(${list.join(',')})`
}
