import { sha256 } from '../../encoding/digest.ts'
import { DigestTable } from '../../encoding/digest-table.ts'

const NOTHING = Buffer.alloc(0)

/**
 * Which digests of a file are acceptable, by its path. Hosts have a hundred thousand files, and the daemon keeps this for as long as it runs: it takes
 * some 90 bytes for each, where their texts in a Map of Sets take a kilobyte.
 */
export class FileDigests {
  readonly #paths = new DigestTable(0)
  readonly #pairs = new DigestTable(0)

  /** @param files each path once; see {@link size} */
  constructor(files: Iterable<{ readonly path: string; readonly digests: readonly string[] }>) {
    for (const { path, digests } of files) {
      this.#paths.set(keyOf(path), NOTHING)
      for (const digest of digests) this.#pairs.set(pairOf(path, digest), NOTHING)
    }
  }

  /** How many paths there are. */
  get size(): number {
    return this.#paths.size
  }

  /** Whether something is listed for a path. */
  has(path: string): boolean {
    return this.#paths.get(keyOf(path)) !== undefined
  }

  /** Whether this digest, `algorithm:hex`, is listed for this path. */
  accepts(path: string, digest: string): boolean {
    return this.#pairs.get(pairOf(path, digest)) !== undefined
  }
}

/** No digest has a NUL in it, so that the last one of a text is where its path ends. */
function pairOf(path: string, digest: string): Buffer {
  return keyOf(`${path}\0${digest}`)
}

/** In UTF-16, of which each text has its own: half a surrogate pair would be the same as another in UTF-8. */
function keyOf(text: string): Buffer {
  return sha256(Buffer.from(text, 'utf16le'))
}
