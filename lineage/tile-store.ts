import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeDirectory, type NewFile, writeDurably } from './durable.ts'
import { decodeBundle } from './entry-bundle.ts'
import { LineageError } from './error.ts'
import type { Io } from './io.ts'
import { HASH_SIZE } from './merkle.ts'
import { TILE_WIDTH, type TileName, tilePath } from './tile-path.ts'

/** Hashes of a tile, in order. */
export function splitTile(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, i) =>
    bytes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE),
  )
}

const CACHED_TILES = 64

/** The tiles and entry bundles of one directory. Reads may run at once, writes one at a time. */
export class TileStore {
  readonly #io: Io
  readonly #directory: string
  readonly #scratch: string
  readonly #cache = new Map<string, Buffer>()

  constructor(io: Io, directory: string, scratch: string) {
    this.#io = io
    this.#directory = directory
    this.#scratch = scratch
  }

  /** A full hash tile. @throws LineageError `LINEAGE_BROKEN` when it is missing or has another size */
  async readTile(level: number, index: number): Promise<Buffer[]> {
    const bytes = await this.#read({ level, index, width: TILE_WIDTH })
    if (bytes.length !== TILE_WIDTH * HASH_SIZE) {
      const path = tilePath({ level, index, width: TILE_WIDTH })
      throw new LineageError('LINEAGE_BROKEN', `${path} has ${bytes.length} bytes`, { at: path })
    }
    return splitTile(bytes)
  }

  /** The entries of a full bundle. @throws LineageError `LINEAGE_BROKEN`, `BUNDLE_MALFORMED` */
  async readBundle(index: number): Promise<Buffer[]> {
    return decodeBundle(await this.#read({ level: 'entries', index, width: TILE_WIDTH }), TILE_WIDTH)
  }

  async #read(name: TileName): Promise<Buffer> {
    const path = tilePath(name)
    const cached = this.#cache.get(path)
    if (cached !== undefined) return cached
    let bytes: Buffer
    try {
      bytes = await readFile(join(this.#directory, path))
    } catch (cause) {
      throw new LineageError('LINEAGE_BROKEN', `${path} cannot be read`, { at: path, cause })
    }
    if (name.level !== 'entries') {
      const oldest = this.#cache.size >= CACHED_TILES ? this.#cache.keys().next().value : undefined
      if (oldest !== undefined) this.#cache.delete(oldest)
      this.#cache.set(path, bytes)
    }
    return bytes
  }

  /** Removes the partial tiles that these full ones contain; readers of an older checkpoint find them at the beginning of the full one. */
  async dropPartials(names: readonly TileName[]): Promise<void> {
    for (const name of names) {
      const partials = join(this.#directory, `${tilePath(name)}.p`)
      if (existsSync(partials)) await rm(partials, { recursive: true, force: true })
    }
  }

  /** Whether the full tile is there, so that no partial one is needed. */
  hasFull(name: TileName): boolean {
    return existsSync(join(this.#directory, tilePath({ ...name, width: TILE_WIDTH })))
  }

  /**
   * Makes tiles durable. One that is there already is compared byte for byte: tiles are immutable, so a difference is a second
   * history.
   *
   * @throws LineageError `LINEAGE_BROKEN` on a difference
   */
  async write(tiles: readonly { name: TileName; bytes: Buffer }[]): Promise<void> {
    const files: NewFile[] = []
    for (const { name, bytes } of tiles) {
      const path = join(this.#directory, tilePath(name))
      await makeDirectory(this.#io, dirname(path))
      if (existsSync(path) && !(await readFile(path)).equals(bytes)) {
        throw new LineageError('LINEAGE_BROKEN', `${tilePath(name)} exists with other content`, {
          at: tilePath(name),
        })
      }
      // An equal file is written again: it may have been renamed and not synced before a crash.
      files.push({ path, bytes })
    }
    await writeDurably(this.#io, this.#scratch, files)
  }
}
