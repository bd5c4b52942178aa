import { sha256 } from '../../encoding/digest.ts'
import { DigestTable } from '../../encoding/digest-table.ts'

/** A digest of the kind that IMA logs nearly everywhere, in 32 bytes. */
const SHA256 = /^sha256:[0-9a-f]{64}$/
const SHA256_BYTES = 32

/**
 * Which digests of a file are acceptable, by its path. Hosts have a hundred thousand files, and the daemon keeps this for as long as it runs: a file with
 * one SHA-256 takes some 90 bytes, where the texts in a Map of Sets take a kilobyte.
 */
export class FileDigests {
  /** By the digest of the path: the one SHA-256. */
  readonly #single = new DigestTable(SHA256_BYTES)
  /** By path: what is not one SHA-256. */
  readonly #others = new Map<string, ReadonlySet<string>>()

  /** @param files of a path that is there twice the first counts; {@link size} tells */
  constructor(files: Iterable<{ readonly path: string; readonly digests: readonly string[] }>) {
    for (const { path, digests } of files) {
      const key = keyOf(path)
      if (this.#others.has(path) || this.#single.get(key) !== undefined) continue
      const [only = ''] = digests
      if (digests.length === 1 && SHA256.test(only)) this.#single.set(key, bytesOf(only))
      else this.#others.set(copyOf(path), new Set(digests.map(copyOf)))
    }
  }

  /** How many paths there are. */
  get size(): number {
    return this.#single.size + this.#others.size
  }

  /** Whether something is listed for a path. */
  has(path: string): boolean {
    return this.#others.has(path) || this.#single.get(keyOf(path)) !== undefined
  }

  /** Whether this digest, `algorithm:hex`, is listed for this path. */
  accepts(path: string, digest: string): boolean {
    const several = this.#others.get(path)
    if (several !== undefined) return several.has(digest)
    return SHA256.test(digest) && this.#single.get(keyOf(path))?.equals(bytesOf(digest)) === true
  }
}

/** Of the path in UTF-16, of which each text has its own: half a surrogate pair would be the same as another in UTF-8. */
function keyOf(path: string): Buffer {
  return sha256(Buffer.from(path, 'utf16le'))
}

function bytesOf(digest: string): Buffer {
  return Buffer.from(digest.slice(digest.indexOf(':') + 1), 'hex')
}

/** A part of a text keeps all of it. */
function copyOf(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le')
}
