import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { decodeBundle, readFirstEntry } from '../c2sp/entry-bundle.ts'
import { TILE_WIDTH, type TileName, tilePath } from '../c2sp/tile-path.ts'
import { LineageError } from '../error.ts'
import { HASH_SIZE } from '../tree/merkle.ts'
import { makeDirectory, type NewFile, writeDurably } from './durable.ts'
import type { Io } from './io.ts'
import { readPlainFile } from './plain-file.ts'

/** Hashes of a tile, in order. */
export function splitTile(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / HASH_SIZE }, (_, i) =>
    bytes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE),
  )
}

/** The tiles and entry bundles of one directory. Reads may run at once, writes one at a time. */
export class TileStore {
  readonly #io: Io
  readonly #directory: string
  readonly #scratch: string

  constructor(io: Io, directory: string, scratch: string) {
    this.#io = io
    this.#directory = directory
    this.#scratch = scratch
  }

  /** The hashes of a full tile, whatever they are. @throws LineageError `LINEAGE_BROKEN` when it is missing or has another size */
  async readTile(level: number, index: number): Promise<Buffer> {
    const name = { level, index, width: TILE_WIDTH }
    const bytes = await this.#read(name)
    if (bytes.length !== TILE_WIDTH * HASH_SIZE) throw broken(name, `has ${bytes.length} bytes`)
    return bytes
  }

  /** The entries of a full bundle, whatever they are. @throws LineageError `LINEAGE_BROKEN` when it is missing or no bundle */
  async readBundle(index: number): Promise<Buffer[]> {
    const name = { level: 'entries', index, width: TILE_WIDTH } as const
    const bytes = await this.#read(name)
    try {
      return decodeBundle(bytes, TILE_WIDTH)
    } catch (cause) {
      throw broken(name, 'is no bundle of 256 entries', cause)
    }
  }

  /** The first entry of a full bundle. @throws LineageError `LINEAGE_BROKEN` */
  readFirst(index: number): Promise<Buffer> {
    const path = tilePath({ level: 'entries', index, width: TILE_WIDTH })
    return readFirstEntry(join(this.#directory, path), path)
  }

  async #read(name: TileName): Promise<Buffer> {
    const path = tilePath(name)
    const bytes = await readPlainFile(join(this.#directory, path), path)
    if (bytes === undefined) throw broken(name, 'is missing')
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
      const there = await readPlainFile(path, tilePath(name))
      if (there !== undefined && !there.equals(bytes)) throw broken(name, 'exists with other content')
      // An equal file is written again: it may have been renamed and not synced before a crash.
      files.push({ path, bytes })
    }
    await writeDurably(this.#io, this.#scratch, files)
  }
}

/** A tile or bundle that is not what the writer left. */
export function broken(name: TileName, what: string, cause?: unknown): LineageError {
  const at = tilePath(name)
  return new LineageError('LINEAGE_BROKEN', `${at} ${what}`, { at, cause })
}
