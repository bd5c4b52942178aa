import { guidText } from '../guid.ts'
import { hex, type NodeReader, named, nodeKey, printable, sized, TYPE, vendor } from './node.ts'

const key = (subType: number): number => nodeKey(TYPE.media, subType)

/** Media device path (UEFI 2.10, section 10.3.5) and the BIOS boot specification's (10.3.6). */
export const MEDIA_NODES: readonly (readonly [number, NodeReader])[] = [
  [key(1), sized(38, hardDrive)],
  [
    key(2),
    sized(20, data => {
      const [start, size] = [data.readBigUInt64LE(4), data.readBigUInt64LE(12)]
      return `CDROM(${hex(data.readUInt32LE(0))},${hex(start)},${hex(size)})`
    }),
  ],
  [key(3), vendor('VenMedia')],
  [key(4), filePath],
  [key(5), named('Media')],
  [key(6), named('FvFile')],
  [key(7), named('Fv')],
  [key(8), sized(20, data => `Offset(${hex(data.readBigUInt64LE(4))},${hex(data.readBigUInt64LE(12))})`)],
  [
    key(9),
    sized(34, data => {
      const [from, to] = [hex(data.readBigUInt64LE(0)), hex(data.readBigUInt64LE(8))]
      return `RamDisk(${from},${to},${data.readUInt16LE(32)},${guidText(data.subarray(16, 32)).toUpperCase()})`
    }),
  ],
  [nodeKey(TYPE.bios, 1), sized(4, bios, 'open')],
]

const SIGNATURE_MBR = 1
const SIGNATURE_GPT = 2

function hardDrive(data: Buffer): string {
  const [number, start, size] = [data.readUInt32LE(0), data.readBigUInt64LE(4), data.readBigUInt64LE(12)]
  const [format, kind] = [data.readUInt8(36), data.readUInt8(37)]
  const range = `${hex(start)},${hex(size)}`
  if (kind === SIGNATURE_GPT)
    return `HD(${number},GPT,${guidText(data.subarray(20, 36)).toUpperCase()},${range})`
  if (kind === SIGNATURE_MBR) return `HD(${number},MBR,${hex(data.readUInt32LE(20))},${range})`
  return `HD(${number},${format},0,${range})`
}

/** UTF-16 that ends with a NUL; anything else stays bytes. */
function filePath(data: Buffer): string | null {
  if (data.length < 2 || data.length % 2 !== 0 || data.readUInt16LE(data.length - 2) !== 0) return null
  const text = data.toString('utf16le', 0, data.length - 2)
  return text.includes('\0') ? null : text
}

const BIOS_TYPES: ReadonlyMap<number, string> = new Map([
  [1, 'Floppy'],
  [2, 'HD'],
  [3, 'CDROM'],
  [4, 'PCMCIA'],
  [5, 'USB'],
  [6, 'Network'],
])

function bios(data: Buffer): string | null {
  const text = printable(data.subarray(4))
  if (text === null) return null
  const type = data.readUInt16LE(0)
  return `BBS(${BIOS_TYPES.get(type) ?? hex(type)},${text},${hex(data.readUInt16LE(2))})`
}
