import { createHash } from 'node:crypto'
import type { HashAlgorithm } from '../tpm2/structures/index.ts'

/** A file that is read in pieces: an image may be larger than what should be in memory at once. */
export interface ImageSource {
  /** Bytes of the whole file. */
  readonly size: number
  /** Exactly `length` bytes from `offset`; both are within the file. May be a view that the next call overwrites. */
  read(offset: number, length: number): Buffer
}

/** Digests of the same bytes in several banks. */
export type Digests = ReadonlyMap<HashAlgorithm, Buffer>

/** Part of a file. */
export interface Range {
  readonly offset: number
  readonly length: number
}

/** Most bytes that are in memory of any file. */
const CHUNK_BYTES = 1 << 20
const ZEROS = Buffer.alloc(64 << 10)

/** An image that is in memory already. */
export function imageInMemory(bytes: Uint8Array): ImageSource {
  const image = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return { size: image.length, read: (offset, length) => image.subarray(offset, offset + length) }
}

/** A part of an image, as an image. */
export function imageWithin(source: ImageSource, { offset, length }: Range): ImageSource {
  return { size: length, read: (at, size) => source.read(offset + at, size) }
}

/** What is hashed: a part of the file, bytes that are not in it, or so many zeros. */
export type HashedPart = Range | Buffer | { readonly zeros: number }

/** Hashes parts one after the other, each byte of the file read once for all banks. */
export function hashParts(
  source: ImageSource,
  parts: readonly HashedPart[],
  banks: readonly HashAlgorithm[],
): Digests {
  const hashes = banks.map(bank => ({ bank, hash: createHash(bank) }))
  const update = (bytes: Buffer): void => {
    for (const { hash } of hashes) hash.update(bytes)
  }
  for (const part of parts) {
    if (Buffer.isBuffer(part)) update(part)
    else if ('zeros' in part) {
      for (let left = part.zeros; left > 0; left -= ZEROS.length)
        update(ZEROS.subarray(0, Math.min(left, ZEROS.length)))
    } else {
      for (let done = 0; done < part.length; done += CHUNK_BYTES)
        update(source.read(part.offset + done, Math.min(CHUNK_BYTES, part.length - done)))
    }
  }
  return new Map(hashes.map(({ bank, hash }) => [bank, hash.digest()]))
}
