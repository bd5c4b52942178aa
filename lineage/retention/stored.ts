import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { diskBytes } from '../blob-store.ts'

/** Bytes of a digest that tell blobs apart here. Two with the same half cannot be made: that is a collision of 128 bits. */
const KEY_BYTES = 16
/** Files that are looked at together. */
const LANES = 16

/** A blob as it lies on the disk. */
export interface StoredBlob {
  readonly digest: string
  /** What it takes of the disk. */
  readonly bytes: number
  /** When it was written, by the wall clock. */
  readonly writtenMs: number
}

/** All blobs of a store in the order of their digests, directory by directory. What is not named like a blob is passed over. */
export async function* storedBlobs(directory: string): AsyncGenerator<StoredBlob> {
  const root = join(directory, 'evidence', 'sha256')
  for (const first of (await readdir(root).catch(() => [])).sort()) {
    if (!/^[0-9a-f]{2}$/.test(first)) continue
    const names = (await readdir(join(root, first)).catch(() => []))
      .filter(name => /^[0-9a-f]{62}$/.test(name))
      .sort()
    for (let at = 0; at < names.length; at += LANES) {
      const lane = names.slice(at, at + LANES)
      const stats = await Promise.all(lane.map(name => lstat(join(root, first, name)).catch(() => undefined)))
      for (const [i, stat] of stats.entries())
        if (stat?.isFile() === true)
          yield { digest: first + lane[i], bytes: diskBytes(stat.size), writtenMs: stat.mtimeMs }
    }
  }
}

/** Which blobs of a store are named. 16 bytes and a bit for each, so that two million take some 34 MB while they are counted. */
export class NamedSet {
  readonly #keys: Buffer
  readonly #named: Uint8Array
  readonly #count: number

  /** @param digests in ascending order */
  constructor(digests: readonly Buffer[], count: number) {
    this.#keys = Buffer.concat(digests)
    this.#count = count
    this.#named = new Uint8Array(Math.ceil(count / 8))
  }

  /** Walks a store. @param take is given each blob */
  static async of(directory: string, stop: AbortSignal, take: (blob: StoredBlob) => void): Promise<NamedSet> {
    const chunks: Buffer[] = []
    let chunk = Buffer.alloc(0)
    let used = 0
    let count = 0
    for await (const blob of storedBlobs(directory)) {
      stop.throwIfAborted()
      take(blob)
      if (used === chunk.length) {
        chunk = Buffer.alloc(4096 * KEY_BYTES)
        chunks.push(chunk)
        used = 0
      }
      used += chunk.write(blob.digest, used, KEY_BYTES, 'hex')
      count++
    }
    if (chunks.length > 0) chunks[chunks.length - 1] = chunk.subarray(0, used)
    return new NamedSet(chunks, count)
  }

  /** Says of a blob whether something names it. One that is not in the set is passed over. */
  set(digest: string, named: boolean): void {
    const at = this.#find(digest)
    if (at < 0) return
    const [byte, bit] = [at >> 3, 1 << (at & 7)]
    const before = this.#named[byte] ?? 0
    this.#named[byte] = named ? before | bit : before & ~bit
  }

  /** Whether it is in the set and nothing names it. */
  isUnnamed(digest: string): boolean {
    const at = this.#find(digest)
    return at >= 0 && ((this.#named[at >> 3] ?? 0) & (1 << (at & 7))) === 0
  }

  #find(digest: string): number {
    const key = Buffer.from(digest.slice(0, 2 * KEY_BYTES), 'hex')
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      const order = this.#keys.compare(key, 0, KEY_BYTES, middle * KEY_BYTES, (middle + 1) * KEY_BYTES)
      if (order === 0) return middle
      if (order < 0) low = middle + 1
      else high = middle
    }
    return -1
  }
}
