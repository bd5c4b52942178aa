import { open } from 'node:fs/promises'
import { LineageError } from '../error.ts'
import { TILE_WIDTH } from './tile-path.ts'

/** Most bytes of an entry: its length is a 16-bit number (C2SP tlog-tiles, "Log entries"). */
export const MAX_ENTRY_BYTES = 65_535

/** Most bytes of a bundle. */
export const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

/** Bytes of a bundle. */
export function bundleLength(entries: readonly Uint8Array[]): number {
  return entries.reduce((sum, entry) => sum + 2 + entry.length, 0)
}

/** Entries as a bundle: each a big-endian 16-bit length and its bytes. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  return writeBundle(Buffer.allocUnsafe(bundleLength(entries)), 0, entries)
}

/** The same into a buffer that has room for it, which it gives back. */
export function writeBundle(bytes: Buffer, offset: number, entries: readonly Uint8Array[]): Buffer {
  let at = offset
  for (const entry of entries) {
    at = bytes.writeUInt16BE(entry.length, at)
    bytes.set(entry, at)
    at += entry.length
  }
  return bytes
}

/**
 * The first `count` entries of a bundle, as views.
 *
 * @param bytes controlled by whoever wrote the file
 * @param whole whether nothing may follow them
 * @throws LineageError `BUNDLE_MALFORMED`
 */
export function decodeBundle(bytes: Buffer, count: number, whole = true): Buffer[] {
  const entries: Buffer[] = []
  let at = 0
  while (entries.length < count) {
    const length = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : Number.POSITIVE_INFINITY
    if (at + 2 + length > bytes.length) {
      throw new LineageError(
        'BUNDLE_MALFORMED',
        `the bundle ends within entry ${entries.length} of ${count}`,
        {
          at: `@${at}`,
        },
      )
    }
    entries.push(bytes.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  if (whole && at !== bytes.length) {
    throw new LineageError('BUNDLE_MALFORMED', `${bytes.length - at} bytes after entry ${count - 1}`, {
      at: `@${at}`,
    })
  }
  return entries
}

/** Most entries are shorter. */
const FIRST_READ = 4096

/**
 * The first entry of a bundle's file, without the rest of it.
 *
 * @param at how messages call the file, whose content is controlled by whoever wrote it
 * @throws LineageError `LINEAGE_BROKEN`
 */
export async function readFirstEntry(path: string, at: string): Promise<Buffer> {
  const file = await open(path).catch(cause => {
    throw new LineageError('LINEAGE_BROKEN', `${at} cannot be read`, { at, cause })
  })
  try {
    const read = async (bytes: Buffer, from: number) => {
      for (let have = 0; have < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, have, bytes.length - have, from + have)
        if (bytesRead === 0) return bytes.subarray(0, have)
        have += bytesRead
      }
      return bytes
    }
    const begin = await read(Buffer.allocUnsafe(FIRST_READ), 0)
    const end = begin.length < 2 ? 2 : 2 + begin.readUInt16BE(0)
    const rest = end > begin.length ? await read(Buffer.allocUnsafe(end - begin.length), begin.length) : null
    const whole = rest === null ? begin : Buffer.concat([begin, rest])
    if (whole.length < end)
      throw new LineageError('LINEAGE_BROKEN', `${at} ends within its first entry`, { at })
    return whole.subarray(2, end)
  } finally {
    await file.close()
  }
}
