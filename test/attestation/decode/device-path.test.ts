import { describe, expect, it } from 'vitest'
import { readDevicePath, readDevicePaths } from '../../../attestation/eventlog/decode/device-path/index.ts'
import { u16le, u32le } from '../tcg-log.ts'
import { END_OF_PATH, guid, node, u64le, utf16 } from './event-data.ts'

const GUID_TEXT = '5023B95C-DB26-429B-A648-BD47664C8012'
const GUID_BYTES = guid(GUID_TEXT.toLowerCase())
const slice = (...parts: Buffer[]) => ({ bytes: Buffer.concat(parts), start: 0 })
const textOf = (type: number, subType: number, data: Buffer): string =>
  readDevicePath(slice(node(type, subType, data), END_OF_PATH)).text
const ipv4 = (address: string): Buffer => Buffer.from(address.split('.').map(Number))

describe('the text of a device path node (UEFI 2.10, section 10.6)', () => {
  it.each<[string, number, number, Buffer]>([
    ['Pci(0x1F,0x2)', 1, 1, Buffer.of(2, 0x1f)],
    ['PcCard(0x3)', 1, 2, Buffer.of(3)],
    ['MemoryMapped(0xB,0x1000,0x1FFF)', 1, 3, Buffer.concat([u32le(11), u64le(0x1000, 0x1fff)])],
    [`VenHw(${GUID_TEXT})`, 1, 4, GUID_BYTES],
    [`VenHw(${GUID_TEXT},0A0B)`, 1, 4, Buffer.concat([GUID_BYTES, Buffer.of(10, 11)])],
    ['Ctrl(0x2)', 1, 5, u32le(2)],
    ['PciRoot(0x0)', 2, 1, u32le(0x0a0341d0, 0)],
    ['PcieRoot(0x1)', 2, 1, u32le(0x0a0841d0, 1)],
    ['Acpi(PNP0C31,0x0)', 2, 1, u32le(0x0c3141d0, 0)],
    ['Acpi(0x12345678,0x2)', 2, 1, u32le(0x12345678, 2)],
    ['AcpiEx(PNP0A08,0x0,0x7,,,pc)', 2, 2, Buffer.concat([u32le(0x0a0841d0, 7, 0), Buffer.from('\0pc\0\0')])],
    ['AcpiAdr(0x80010100)', 2, 3, u32le(0x80010100)],
    ['Ata(Primary,Master,0x0)', 3, 1, Buffer.of(0, 0, 0, 0)],
    ['Scsi(0x1,0x0)', 3, 2, Buffer.of(1, 0, 0, 0)],
    ['Fibre(0x102,0x3)', 3, 3, Buffer.concat([u32le(0), u64le(0x102, 3)])],
    ['USB(0x3,0x1)', 3, 5, Buffer.of(3, 1)],
    [
      'MAC(3CECEF7AFF60,0x1)',
      3,
      11,
      Buffer.concat([Buffer.from('3cecef7aff60', 'hex'), Buffer.alloc(26), Buffer.of(1)]),
    ],
    [
      'IPv4(192.168.0.1,TCP,Static,192.168.0.2,192.168.0.254,255.255.255.0)',
      3,
      12,
      Buffer.concat([
        ipv4('192.168.0.2'),
        ipv4('192.168.0.1'),
        u16le(0),
        u16le(80),
        u16le(6),
        Buffer.of(1),
        ipv4('192.168.0.254'),
        ipv4('255.255.255.0'),
      ]),
    ],
    ['Uart(115200,8,N,1)', 3, 14, Buffer.concat([u32le(0), u64le(115200), Buffer.of(8, 1, 1)])],
    ['UsbClass(0xFFFF,0xFFFF,0x8,0x6,0x50)', 3, 15, Buffer.of(0xff, 0xff, 0xff, 0xff, 8, 6, 0x50)],
    ['Sata(0x2,0xFFFF,0x0)', 3, 18, Buffer.of(2, 0, 0xff, 0xff, 0, 0)],
    [
      'NVMe(0x1,00-25-38-59-21-B1-7A-2C)',
      3,
      23,
      Buffer.concat([u32le(1), Buffer.from('2c7ab12159382500', 'hex')]),
    ],
    ['Uri(https://boot.example/a.efi)', 3, 24, Buffer.from('https://boot.example/a.efi')],
    ['SD(0x0)', 3, 26, Buffer.of(0)],
    ['eMMC(0x1)', 3, 29, Buffer.of(1)],
    [
      `HD(1,GPT,${GUID_TEXT},0x800,0x40000)`,
      4,
      1,
      Buffer.concat([u32le(1), u64le(0x800, 0x40000), GUID_BYTES, Buffer.of(2, 2)]),
    ],
    [
      'HD(2,MBR,0xDEADBEEF,0x800,0x40000)',
      4,
      1,
      Buffer.concat([u32le(2), u64le(0x800, 0x40000), u32le(0xdeadbeef), Buffer.alloc(12), Buffer.of(1, 1)]),
    ],
    ['CDROM(0x1,0x20,0x40)', 4, 2, Buffer.concat([u32le(1), u64le(0x20, 0x40)])],
    [`VenMedia(${GUID_TEXT})`, 4, 3, GUID_BYTES],
    ['\\EFI\\BOOT\\BOOTX64.EFI', 4, 4, utf16('\\EFI\\BOOT\\BOOTX64.EFI\0')],
    [`FvFile(${GUID_TEXT})`, 4, 6, GUID_BYTES],
    [`Fv(${GUID_TEXT})`, 4, 7, GUID_BYTES],
    ['Offset(0x15C00,0x47FFF)', 4, 8, Buffer.concat([u32le(0), u64le(0x15c00, 0x47fff)])],
    [
      `RamDisk(0x1000,0x2000,3,${GUID_TEXT})`,
      4,
      9,
      Buffer.concat([u64le(0x1000, 0x2000), GUID_BYTES, u16le(3)]),
    ],
    ['BBS(HD,SATA0,0x0)', 5, 1, Buffer.concat([u16le(2), u16le(0), Buffer.from('SATA0\0')])],
  ])('%s', (text, type, subType, data) => {
    expect(textOf(type, subType, data)).toBe(text)
  })

  it.each([
    ['of a kind that nobody knows', 3, 99, Buffer.of(1, 2), 'Path(3,99,0102)'],
    ['of a type that nobody knows', 9, 1, Buffer.alloc(0), 'Path(9,1,)'],
    ['that is too short for its kind', 1, 1, Buffer.of(2), 'Path(1,1,02)'],
    ['that is too long for its kind', 1, 1, Buffer.of(2, 3, 4), 'Path(1,1,020304)'],
    ['whose file name has no end', 4, 4, utf16('a'), 'Path(4,4,6100)'],
    ['whose file name has a NUL inside', 4, 4, utf16('a\0b\0'), 'Path(4,4,6100000062000000)'],
  ])('%s is its bytes', (_, type, subType, data, text) => {
    expect(textOf(type, subType, data)).toBe(text)
  })
})

describe('a device path', () => {
  it('joins nodes with slashes and instances with commas', () => {
    const pci = node(1, 1, Buffer.of(0, 3))
    const path = readDevicePath(slice(pci, node(3, 5, Buffer.of(1, 0)), node(0x7f, 1), pci, END_OF_PATH))
    expect(path.text).toBe('Pci(0x3,0x0)/USB(0x1,0x0),Pci(0x3,0x0)')
  })

  it('puts the parts of a file name together', () => {
    const path = readDevicePath(
      slice(node(4, 4, utf16('\\EFI\\\0')), node(4, 4, utf16('a.efi\0')), END_OF_PATH),
    )
    expect(path.file).toBe('\\EFI\\a.efi')
  })

  it.each([
    ['that does not end', [node(1, 1, Buffer.of(0, 3))]],
    ['with a node that is shorter than its header', [Buffer.of(1, 1, 3, 0), END_OF_PATH]],
    ['with a node of no length, which would go on for ever', [Buffer.of(1, 1, 0, 0), END_OF_PATH]],
    ['with a node that is longer than the path', [Buffer.of(1, 1, 0xff, 0xff, 0, 3), END_OF_PATH]],
    ['with an end that holds data', [node(0x7f, 0xff, Buffer.of(1))]],
    ['with something behind its end', [END_OF_PATH, node(1, 1, Buffer.of(0, 3)), END_OF_PATH]],
    ['of no bytes', []],
  ])('%s is refused', (_, parts) => {
    expect(() => readDevicePath(slice(...parts))).toThrow(/offset|device paths/)
  })

  it.each([0, 3])('refuses a node of %i bytes, which would be read again and again', length => {
    expect(() => readDevicePath(slice(Buffer.of(1, 1, length, 0), END_OF_PATH))).toThrow(
      `node of ${length} bytes, at`,
    )
  })

  it('has a bounded number of nodes', () => {
    const nodes = (count: number): Buffer[] => Array.from({ length: count }, () => node(1, 5, u32le(0)))
    expect(readDevicePath(slice(...nodes(127), END_OF_PATH)).nodes).toHaveLength(127)
    expect(() => readDevicePath(slice(...nodes(128), END_OF_PATH))).toThrow(/more than 128 nodes/)
    const paths = Array.from({ length: 129 }, () => END_OF_PATH)
    expect(() => readDevicePaths(slice(...paths))).toThrow(/more than 128 nodes/)
  })
})
