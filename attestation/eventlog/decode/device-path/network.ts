import { hex, type NodeReader, nodeKey, printable, sized, TYPE } from './node.ts'

const key = (subType: number): number => nodeKey(TYPE.messaging, subType)
const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [6, 'TCP'],
  [17, 'UDP'],
])
/** IEEE 802 addresses have six bytes of the 32 that the node keeps. */
const MAC_BYTES = 6
const ETHERNET_TYPES: readonly number[] = [0, 1]

/** Messaging device path (UEFI 2.10, section 10.3.4): networks. */
export const NETWORK_NODES: readonly (readonly [number, NodeReader])[] = [
  [key(11), sized(33, mac)],
  [key(12), sized(15, ipv4, 'open')],
  [key(13), sized(39, ipv6, 'open')],
  [key(19), sized(14, iscsi, 'open')],
  [key(20), sized(2, data => `Vlan(${data.readUInt16LE(0)})`)],
  [key(24), data => (printable(data) === null ? null : `Uri(${printable(data)})`)],
  [key(28), sized(32, data => (printable(data) === null ? null : `Wi-Fi(${printable(data)})`))],
  [key(31), sized(1, dns, 'open')],
  [key(33), sized(2, data => `RestService(${hex(data.readUInt8(0))},${hex(data.readUInt8(1))})`, 'open')],
]

function mac(data: Buffer): string {
  const type = data.readUInt8(32)
  const bytes = ETHERNET_TYPES.includes(type) ? data.subarray(0, MAC_BYTES) : data.subarray(0, 32)
  return `MAC(${bytes.toString('hex').toUpperCase()},${hex(type)})`
}

function v4(data: Buffer, at: number): string {
  return [...data.subarray(at, at + 4)].join('.')
}

function protocol(number: number): string {
  return PROTOCOLS.get(number) ?? hex(number)
}

/** Local address, remote address, ports, protocol, static or DHCP; newer ones with gateway and mask. */
function ipv4(data: Buffer): string | null {
  if (data.length !== 15 && data.length !== 23) return null
  const origin = data.readUInt8(14) === 0 ? 'DHCP' : 'Static'
  const more = data.length === 23 ? `,${v4(data, 15)},${v4(data, 19)}` : ''
  return `IPv4(${v4(data, 4)},${protocol(data.readUInt16LE(12))},${origin},${v4(data, 0)}${more})`
}

const ORIGINS = ['Static', 'StatelessAutoConfigure', 'StatefulAutoConfigure']

function v6(data: Buffer, at: number): string {
  return Array.from({ length: 8 }, (_, i) => data.readUInt16BE(at + 2 * i).toString(16)).join(':')
}

function ipv6(data: Buffer): string | null {
  if (data.length !== 39 && data.length !== 56) return null
  const origin = ORIGINS[data.readUInt8(38)] ?? hex(data.readUInt8(38))
  const more = data.length === 56 ? `,${v6(data, 40)},${data.readUInt8(39)}` : ''
  return `IPv6(${v6(data, 16)},${protocol(data.readUInt16LE(36))},${origin},${v6(data, 0)}${more})`
}

/** Protocol, options, logical unit, portal group, target name. */
function iscsi(data: Buffer): string | null {
  const target = printable(data.subarray(14))
  if (target === null) return null
  const [options, portal] = [data.readUInt16LE(2), data.readUInt16LE(12)]
  return `iSCSI(${target},${hex(portal)},0x${data.toString('hex', 4, 12)},${hex(options)},${data.readUInt16LE(0) === 0 ? 'TCP' : hex(data.readUInt16LE(0))})`
}

function dns(data: Buffer): string | null {
  const body = data.subarray(1)
  if (body.length % 16 !== 0) return null
  const is6 = data.readUInt8(0) !== 0
  const servers = Array.from({ length: body.length / 16 }, (_, i) =>
    is6 ? v6(body, 16 * i) : v4(body, 16 * i),
  )
  return `Dns(${servers.join(',')})`
}
