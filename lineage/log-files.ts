import { join } from 'node:path'
import { readBounded } from './blob-store.ts'
import { type CheckpointText, parseCheckpointText } from './c2sp/checkpoint-text.ts'
import { decodeBundle, encodeBundle, MAX_BUNDLE_BYTES } from './c2sp/entry-bundle.ts'
import { MAX_NOTE_BYTES, parseNote } from './c2sp/note.ts'
import { TILE_WIDTH, type TileName, tilePath } from './c2sp/tile-path.ts'
import { LineageError } from './error.ts'
import { foldPerfect, HASH_SIZE } from './tree/merkle.ts'
import { consistencyPath, inclusionPath, type NodeReader, rangeRoot } from './tree/proof.ts'
import { splitTile } from './writer/tile-store.ts'

/** Levels of subtree that a tile spans: 2^8 = 256 (C2SP tlog-tiles). */
const TILE_HEIGHT = 8
/** Hash tiles that are kept: a proof reads some two of each level. */
const CACHED_TILES = 64

/**
 * The files of a log, of this host or another, read for proofs: up to what its checkpoint says, and only the tiles that are needed. Nothing is
 * verified here: whoever asks for a proof checks it against a root that it trusts. Works beside a running writer.
 */
export class LogFiles implements CheckpointText {
  readonly directory: string
  /** The checkpoint's bytes. */
  readonly note: Buffer
  readonly origin: string
  readonly size: number
  readonly root: Buffer
  readonly extensions: readonly string[]
  readonly #tiles = new Map<string, readonly Buffer[]>()

  private constructor(directory: string, note: Buffer) {
    this.directory = directory
    this.note = note
    const { origin, size, root, extensions } = parseCheckpointText(parseNote(note).text)
    this.origin = origin
    this.size = size
    this.root = root
    this.extensions = extensions
  }

  /** @throws LineageError `LINEAGE_ABSENT` without a checkpoint, `NOTE_MALFORMED`, `CHECKPOINT_MALFORMED` */
  static async open(directory: string): Promise<LogFiles> {
    const note = await readBounded(join(directory, 'checkpoint'), MAX_NOTE_BYTES, 'checkpoint').catch(
      cause => {
        throw new LineageError('LINEAGE_ABSENT', `there is no checkpoint in ${directory}`, {
          at: 'checkpoint',
          cause,
        })
      },
    )
    return new LogFiles(directory, note)
  }

  /** An entry's bytes. @throws LineageError `RANGE_INVALID`, `LINEAGE_BROKEN`, `BUNDLE_MALFORMED` */
  async entry(index: number): Promise<Buffer> {
    if (index < 0 || index >= this.size)
      throw new LineageError('RANGE_INVALID', `entry ${index} of ${this.size}`, { at: String(index) })
    const bundle = await this.#bundle(Math.floor(index / TILE_WIDTH))
    return bundle[index % TILE_WIDTH] as Buffer
  }

  /** Entries from `from` to, not including, `to`, a bundle at a time. @throws as {@link entry} */
  async *entries(from: number, to: number): AsyncGenerator<{ index: number; bytes: Buffer }> {
    if (from < 0 || to > this.size)
      throw new LineageError('RANGE_INVALID', `entries ${from} to ${to} of ${this.size}`, {
        at: String(from),
      })
    for (let index = from; index < to; ) {
      const bundle = await this.#bundle(Math.floor(index / TILE_WIDTH))
      for (const bytes of bundle.slice(index % TILE_WIDTH, (index % TILE_WIDTH) + to - index))
        yield { index: index++, bytes }
    }
  }

  /** That an entry is in the tree of `size` entries. @throws LineageError `RANGE_INVALID`, `LINEAGE_BROKEN` */
  async inclusionProof(index: number, size = this.size): Promise<Buffer[]> {
    this.#holds(size)
    if (index < 0 || index >= size)
      throw new LineageError('RANGE_INVALID', `entry ${index} of ${size}`, { at: String(index) })
    return inclusionPath(this.#node, index, 0, size)
  }

  /** That the tree of `size` entries goes on from that of `earlier`. @throws as {@link inclusionProof} */
  async consistencyProof(earlier: number, size = this.size): Promise<Buffer[]> {
    this.#holds(size)
    if (earlier < 0 || earlier > size)
      throw new LineageError('RANGE_INVALID', `a tree of ${earlier} in one of ${size}`, {
        at: String(earlier),
      })
    return consistencyPath(this.#node, earlier, size)
  }

  /** The root that the tiles make of the first `size` entries. @throws as {@link inclusionProof} */
  async rootAt(size: number): Promise<Buffer> {
    this.#holds(size)
    return rangeRoot(this.#node, 0, size)
  }

  /** A tile or bundle of the tree of this size or a smaller one. @throws LineageError `LINEAGE_BROKEN`, `BUNDLE_MALFORMED` */
  async tileFile({ level, index, width }: TileName): Promise<Buffer> {
    const hashes = level === 'entries' ? this.size : Math.floor(this.size / TILE_WIDTH ** level)
    const name: TileName = { level, index, width: Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH) }
    const bytes = await readTileFile(this.directory, name)
    return name.width === width ? bytes : beginning(bytes, { level, index, width })
  }

  #holds(size: number): void {
    if (size < 0 || size > this.size)
      throw new LineageError('RANGE_INVALID', `a tree of ${size}, the log has ${this.size}`, {
        at: String(size),
      })
  }

  async #bundle(index: number): Promise<Buffer[]> {
    const width = Math.min(TILE_WIDTH, this.size - index * TILE_WIDTH)
    return decodeBundle(await readTileFile(this.directory, { level: 'entries', index, width }), width)
  }

  readonly #node: NodeReader = async (height, index) => {
    const level = Math.floor(height / TILE_HEIGHT)
    const count = 2 ** (height % TILE_HEIGHT)
    const first = index * count
    const hashes = await this.#tile(level, Math.floor(first / TILE_WIDTH))
    const at = first % TILE_WIDTH
    return foldPerfect(hashes.slice(at, at + count))
  }

  async #tile(level: number, index: number): Promise<readonly Buffer[]> {
    const hashesOfLevel = Math.floor(this.size / TILE_WIDTH ** level)
    const width = Math.min(TILE_WIDTH, hashesOfLevel - index * TILE_WIDTH)
    const name: TileName = { level, index, width }
    const path = tilePath(name)
    const cached = this.#tiles.get(path)
    if (cached !== undefined) return cached
    const bytes = await readTileFile(this.directory, name)
    if (bytes.length !== width * HASH_SIZE)
      throw new LineageError('LINEAGE_BROKEN', `${path} has ${bytes.length} bytes`, { at: path })
    const hashes = splitTile(bytes)
    const oldest = this.#tiles.size >= CACHED_TILES ? this.#tiles.keys().next().value : undefined
    if (oldest !== undefined) this.#tiles.delete(oldest)
    this.#tiles.set(path, hashes)
    return hashes
  }
}

/**
 * A tile or bundle of some width. A full one may have taken the place of a partial one, and begins with it (C2SP tlog-tiles, "Partial Tiles").
 *
 * @throws LineageError `LINEAGE_BROKEN` when there is neither, `BUNDLE_MALFORMED`
 */
export async function readTileFile(directory: string, name: TileName): Promise<Buffer> {
  const exact = await readOptional(directory, name)
  if (exact !== undefined) return exact
  const full = await readOptional(directory, { ...name, width: TILE_WIDTH })
  if (full === undefined) {
    throw new LineageError('LINEAGE_BROKEN', `${tilePath(name)} is missing`, { at: tilePath(name) })
  }
  return beginning(full, name)
}

function beginning(bytes: Buffer, { level, width }: TileName): Buffer {
  return level === 'entries'
    ? encodeBundle(decodeBundle(bytes, width, false))
    : bytes.subarray(0, width * HASH_SIZE)
}

async function readOptional(directory: string, name: TileName): Promise<Buffer | undefined> {
  const path = tilePath(name)
  try {
    return await readBounded(join(directory, path), MAX_BUNDLE_BYTES, path)
  } catch (error) {
    if (error instanceof LineageError && error.code === 'BLOB_ABSENT') return undefined
    throw error
  }
}
