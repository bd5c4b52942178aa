import { LineageError } from './error.ts'
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
