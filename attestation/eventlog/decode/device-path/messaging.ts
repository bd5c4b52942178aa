import { guidText } from '../guid.ts'
import { hex, type NodeReader, named, nodeKey, printable, sized, TYPE, vendor } from './node.ts'

const key = (subType: number): number => nodeKey(TYPE.messaging, subType)
const PARITY = 'DNEOMS'
const STOP_BITS = ['D', '1', '1.5', '2']

/** Messaging device path (UEFI 2.10, section 10.3.4): buses and disks. */
export const MESSAGING_NODES: readonly (readonly [number, NodeReader])[] = [
  [
    key(1),
    sized(4, data => {
      const controller = data.readUInt8(0) === 0 ? 'Primary' : 'Secondary'
      return `Ata(${controller},${data.readUInt8(1) === 0 ? 'Master' : 'Slave'},${hex(data.readUInt16LE(2))})`
    }),
  ],
  [key(2), sized(4, data => `Scsi(${hex(data.readUInt16LE(0))},${hex(data.readUInt16LE(2))})`)],
  [key(3), sized(20, data => `Fibre(${hex(data.readBigUInt64LE(4))},${hex(data.readBigUInt64LE(12))})`)],
  [
    key(4),
    sized(12, data => `I1394(${data.readBigUInt64LE(4).toString(16).toUpperCase().padStart(16, '0')})`),
  ],
  [key(5), sized(2, data => `USB(${hex(data.readUInt8(0))},${hex(data.readUInt8(1))})`)],
  [key(6), sized(4, data => `I2O(${hex(data.readUInt32LE(0))})`)],
  [key(9), sized(44, infiniband)],
  [key(10), vendor('VenMsg')],
  [key(14), sized(15, uart)],
  [key(15), sized(7, usbClass)],
  [key(16), sized(6, usbWwid, 'open')],
  [key(17), sized(1, data => `Unit(${hex(data.readUInt8(0))})`)],
  [
    key(18),
    sized(
      6,
      data => `Sata(${hex(data.readUInt16LE(0))},${hex(data.readUInt16LE(2))},${hex(data.readUInt16LE(4))})`,
    ),
  ],
  [key(21), sized(20, data => `FibreEx(0x${data.toString('hex', 4, 12)},0x${data.toString('hex', 12)})`)],
  [key(22), sized(20, data => `SasEx(0x${data.toString('hex', 0, 8)},0x${data.toString('hex', 8, 16)})`)],
  // The EUI-64 is big-endian, and written so.
  [
    key(23),
    sized(12, data => {
      const eui = [...Buffer.from(data.subarray(4)).reverse()].map(byte =>
        byte.toString(16).toUpperCase().padStart(2, '0'),
      )
      return `NVMe(${hex(data.readUInt32LE(0))},${eui.join('-')})`
    }),
  ],
  [key(25), sized(2, data => `UFS(${hex(data.readUInt8(0))},${hex(data.readUInt8(1))})`)],
  [key(26), sized(1, data => `SD(${hex(data.readUInt8(0))})`)],
  [key(27), sized(6, data => `Bluetooth(${data.toString('hex')})`)],
  [key(29), sized(1, data => `eMMC(${hex(data.readUInt8(0))})`)],
  [key(30), sized(7, data => `BluetoothLE(${data.toString('hex', 0, 6)},${hex(data.readUInt8(6))})`)],
  [key(32), named('NvdimmNamespace')],
]

function infiniband(data: Buffer): string {
  const [service, target, device] = [
    data.readBigUInt64LE(20),
    data.readBigUInt64LE(28),
    data.readBigUInt64LE(36),
  ]
  const gid = guidText(data.subarray(4, 20)).toUpperCase()
  return `Infiniband(${hex(data.readUInt32LE(0))},${gid},${hex(service)},${hex(target)},${hex(device)})`
}

function uart(data: Buffer): string {
  const [baud, bits] = [data.readBigUInt64LE(4), data.readUInt8(12)]
  const parity = PARITY[data.readUInt8(13)] ?? hex(data.readUInt8(13))
  const stop = STOP_BITS[data.readUInt8(14)] ?? hex(data.readUInt8(14))
  return `Uart(${baud === 0n ? 'DEFAULT' : baud},${bits === 0 ? 'DEFAULT' : bits},${parity},${stop})`
}

function usbClass(data: Buffer): string {
  const [vendorId, product] = [hex(data.readUInt16LE(0)), hex(data.readUInt16LE(2))]
  const [kind, subclass, protocol] = [hex(data.readUInt8(4)), hex(data.readUInt8(5)), hex(data.readUInt8(6))]
  return `UsbClass(${vendorId},${product},${kind},${subclass},${protocol})`
}

function usbWwid(data: Buffer): string | null {
  if (data.length % 2 !== 0) return null
  const serial = printable(Buffer.from(data.subarray(6).toString('utf16le'), 'latin1'))
  if (serial === null) return null
  return `UsbWwid(${hex(data.readUInt16LE(2))},${hex(data.readUInt16LE(4))},${hex(data.readUInt16LE(0))},"${serial}")`
}
