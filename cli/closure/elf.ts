/** What an ELF file says of how it is started. */
export interface ElfProgram {
  /** The dynamic loader that the kernel starts for it; null for a static program. */
  readonly loader: string | null
}

const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46])
const PT_INTERP = 3
/** Linux refuses headers of more than 64 KiB (fs/binfmt_elf.c, load_elf_phdrs). */
const MAX_HEADERS = 65_536
/** PATH_MAX with its NUL; at least one character (fs/binfmt_elf.c, load_elf_binary). */
const MAX_LOADER = 4096

/**
 * Reads what the kernel reads of a program to find its dynamic loader (System V gABI, "Program Header"; elf(5)). Null for what is no ELF
 * file, or one whose headers the kernel would not take.
 *
 * @param read gives the bytes at an offset, fewer at the end of the file; they are controlled by whoever wrote the file
 */
export async function readElf(
  read: (offset: number, length: number) => Promise<Buffer>,
): Promise<ElfProgram | null> {
  const head = await read(0, 64)
  if (head.length < 52 || !head.subarray(0, 4).equals(MAGIC)) return null
  const wide = head[4] === 2
  const little = head[5] === 1
  if ((!wide && head[4] !== 1) || (!little && head[5] !== 2) || (wide && head.length < 64)) return null
  const half = (from: Buffer, at: number) => (little ? from.readUInt16LE(at) : from.readUInt16BE(at))
  const word = (from: Buffer, at: number) => (little ? from.readUInt32LE(at) : from.readUInt32BE(at))
  // An offset beyond 2^53 is beyond any file.
  const offset = (from: Buffer, at: number) =>
    wide ? Number(little ? from.readBigUInt64LE(at) : from.readBigUInt64BE(at)) : word(from, at)

  const entry = half(head, wide ? 54 : 42)
  const count = half(head, wide ? 56 : 44)
  if (entry !== (wide ? 56 : 32) || count === 0 || count * entry > MAX_HEADERS) return null
  const at = offset(head, wide ? 32 : 28)
  if (!Number.isSafeInteger(at)) return null
  const table = await read(at, count * entry)
  if (table.length < count * entry) return null
  for (let i = 0; i < count; i++) {
    const header = table.subarray(i * entry, (i + 1) * entry)
    if (word(header, 0) !== PT_INTERP) continue
    const from = offset(header, wide ? 8 : 4)
    const size = offset(header, wide ? 32 : 16)
    if (!Number.isSafeInteger(from) || size < 2 || size > MAX_LOADER) return null
    const path = await read(from, size)
    const end = path.indexOf(0)
    return end === size - 1 ? { loader: path.subarray(0, end).toString('utf8') } : null
  }
  return { loader: null }
}
