/** A section for {@link peImage}. */
export interface SectionContent {
  readonly name: string
  readonly data: Buffer
  /** Bytes in memory, if they are not those of `data`. */
  readonly virtualSize?: number
  /** Bytes to leave unused in the file before it. */
  readonly gap?: number
}

export interface PeOptions {
  readonly magic?: 0x10b | 0x20b
  /** How many data directories; those from 5 on have a certificate table's entry. */
  readonly directories?: number
  /** What follows the last section. */
  readonly trailer?: Buffer
  /** The certificate table at the end. */
  readonly certificates?: Buffer
}

export const FILE_ALIGNMENT = 512
const MEMORY_ALIGNMENT = 4096
const PE_OFFSET = 0x80

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to

/** A PE image of these sections, laid out as linkers do: headers, sections on alignment boundaries, certificates. */
export function peImage(sections: readonly SectionContent[], options: PeOptions = {}): Buffer {
  const {
    magic = 0x20b,
    directories = 16,
    trailer = Buffer.alloc(0),
    certificates = Buffer.alloc(0),
  } = options
  const fixed = magic === 0x20b ? 112 : 96
  const optionalSize = fixed + directories * 8
  const optionalOffset = PE_OFFSET + 24
  const tableOffset = optionalOffset + optionalSize
  const headersSize = roundUp(tableOffset + sections.length * 40, FILE_ALIGNMENT)
  const header = Buffer.alloc(headersSize)
  header.write('MZ')
  header.writeUInt32LE(PE_OFFSET, 0x3c)
  header.write('PE\0\0', PE_OFFSET)
  header.writeUInt16LE(0x8664, PE_OFFSET + 4)
  header.writeUInt16LE(sections.length, PE_OFFSET + 6)
  header.writeUInt16LE(optionalSize, PE_OFFSET + 20)
  header.writeUInt16LE(magic, optionalOffset)
  header.writeUInt32LE(MEMORY_ALIGNMENT, optionalOffset + 32)
  header.writeUInt32LE(FILE_ALIGNMENT, optionalOffset + 36)
  header.writeUInt32LE(headersSize, optionalOffset + 60)
  header.writeUInt32LE(0x1234_5678, optionalOffset + 64)
  header.writeUInt16LE(10, optionalOffset + 68)
  header.writeUInt32LE(directories, optionalOffset + fixed - 4)
  const parts: Buffer[] = [header]
  let offset = headersSize
  let address = roundUp(headersSize, MEMORY_ALIGNMENT)
  for (const [i, { name, data, virtualSize = data.length, gap = 0 }] of sections.entries()) {
    const size = roundUp(data.length, FILE_ALIGNMENT)
    const entry = tableOffset + i * 40
    header.write(name, entry, 8, 'latin1')
    header.writeUInt32LE(virtualSize, entry + 8)
    header.writeUInt32LE(address, entry + 12)
    header.writeUInt32LE(size, entry + 16)
    header.writeUInt32LE(size === 0 ? 0 : offset + gap, entry + 20)
    parts.push(Buffer.alloc(gap, 0xee), data, Buffer.alloc(size - data.length))
    offset += gap + size
    address = roundUp(address + Math.max(virtualSize, size), MEMORY_ALIGNMENT)
  }
  header.writeUInt32LE(address, optionalOffset + 56)
  parts.push(trailer)
  offset += trailer.length
  if (certificates.length > 0) {
    header.writeUInt32LE(offset, optionalOffset + fixed + 32)
    header.writeUInt32LE(certificates.length, optionalOffset + fixed + 36)
    parts.push(certificates)
  }
  return Buffer.concat(parts)
}

/** What a stub of systemd says of itself. */
export function stubMagic(version: string): SectionContent {
  return { name: '.sdmagic', data: Buffer.from(`#### LoaderInfo: systemd-stub ${version} ####\0`) }
}

/** A unified kernel image of these parts, in this order; the kernel is no EFI image. */
export function ukiImage(
  parts: readonly (readonly [name: string, data: string | Buffer])[],
  { stub = '257.9', ...options }: PeOptions & { stub?: string | null } = {},
): Buffer {
  const sections = parts.map(([name, data]) => ({ name, data: Buffer.from(data) }))
  const text = { name: '.text', data: Buffer.alloc(700, 0xcc) }
  return peImage([text, ...(stub === null ? [] : [stubMagic(stub)]), ...sections], options)
}
