import { hex, type NodeReader, nodeKey, sized, TYPE, vendor } from './node.ts'

/** Hardware device path (UEFI 2.10, section 10.3.2). */
export const HARDWARE_NODES: readonly (readonly [number, NodeReader])[] = [
  [nodeKey(TYPE.hardware, 1), sized(2, data => `Pci(${hex(data.readUInt8(1))},${hex(data.readUInt8(0))})`)],
  [nodeKey(TYPE.hardware, 2), sized(1, data => `PcCard(${hex(data.readUInt8(0))})`)],
  [
    nodeKey(TYPE.hardware, 3),
    sized(20, data => {
      const [from, to] = [data.readBigUInt64LE(4), data.readBigUInt64LE(12)]
      return `MemoryMapped(${hex(data.readUInt32LE(0))},${hex(from)},${hex(to)})`
    }),
  ],
  [nodeKey(TYPE.hardware, 4), vendor('VenHw')],
  [nodeKey(TYPE.hardware, 5), sized(4, data => `Ctrl(${hex(data.readUInt32LE(0))})`)],
  [
    nodeKey(TYPE.hardware, 6),
    sized(9, data => `BMC(${hex(data.readUInt8(0))},${hex(data.readBigUInt64LE(1))})`),
  ],
]
