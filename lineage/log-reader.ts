import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readBlob, readBounded } from './blob-store.ts'
import { decodeBundle, MAX_BUNDLE_BYTES, readFirstEntry } from './c2sp/entry-bundle.ts'
import { TILE_WIDTH, type TileName, tilePath } from './c2sp/tile-path.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import type { IndexedEntry } from './durable-entries.ts'
import { LineageError } from './error.ts'
import { peekTime } from './events/index.ts'
import { locate, type TimeSpan } from './locate.ts'
import { errno } from './writer/io.ts'
import { readPlainFileSync } from './writer/plain-file.ts'
import { layout } from './writer/recovery.ts'
import { readSegment } from './writer/segment.ts'

/** How often files that a writer changes meanwhile are read again. */
const ATTEMPTS = 5

/**
 * Reads a lineage's directory without its writer: an export, or the writer's own directory, also while it writes. Nothing is locked, changed or
 * verified: what it gives is controlled by whoever wrote the files. It sees the log as it was when it was opened.
 */
export class LogReader {
  readonly directory: string
  /** Entries that were there. */
  readonly size: number
  /** Not verified; null if there is none. */
  readonly checkpoint: Checkpoint | null
  /** Why entries that are not in tiles yet cannot be read, if they cannot. */
  readonly tailFault: string | null
  readonly #tail: Tail

  private constructor(
    directory: string,
    checkpoint: Checkpoint | null,
    tail: Tail,
    tailFault: string | null,
  ) {
    this.directory = directory
    this.checkpoint = checkpoint
    this.tailFault = tailFault
    this.#tail = tail
    this.size = Math.max(checkpoint?.size ?? 0, tail.first + tail.entries.length)
  }

  /**
   * Of a log with a damaged tail what its checkpoint stands for is still read.
   *
   * @throws LineageError `LINEAGE_ABSENT` when there is no log, `LINEAGE_BROKEN`, `LINEAGE_UNAVAILABLE`, and what a checkpoint is refused for
   */
  static open(directory: string): LogReader {
    // In this order: what has left the tail by then is in a bundle.
    let tail: Tail | null = null
    let fault: unknown = null
    try {
      tail = readTail(layout(directory).tail)
    } catch (error) {
      fault = error
    }
    const checkpoint = readCheckpoint(layout(directory).checkpoint)
    if (checkpoint === null && fault !== null) throw fault
    if (checkpoint === null && tail === null) {
      throw new LineageError('LINEAGE_ABSENT', `there is no lineage in ${directory}`, { at: directory })
    }
    const why = fault === null ? null : fault instanceof Error ? fault.message : String(fault)
    return new LogReader(directory, checkpoint, tail ?? { first: checkpoint?.size ?? 0, entries: [] }, why)
  }

  /**
   * The entries from `from` up to, not including, `to`, a bundle at a time.
   *
   * @throws LineageError `RANGE_INVALID`, `LINEAGE_BROKEN`, `BUNDLE_MALFORMED`
   */
  async *read(from: number, to: number): AsyncGenerator<IndexedEntry[], void, undefined> {
    if (from < 0 || from > to || to > this.size) {
      throw new LineageError('RANGE_INVALID', `no range ${from} to ${to} in a log of ${this.size} entries`)
    }
    for (let at = from; at < to; ) {
      const run = await this.#run(at, to)
      const begin = at
      yield run.map((bytes, i) => ({ index: BigInt(begin + i), bytes }))
      at += run.length
    }
  }

  /** As `Lineage.locate`. */
  locate(span: TimeSpan): Promise<{ from: number; to: number }> {
    return locate(span, this.size, {
      first: async bundle => peekTime(await this.#first(bundle)),
      all: async bundle => {
        const entries = await this.#run(bundle * TILE_WIDTH, Math.min(this.size, (bundle + 1) * TILE_WIDTH))
        return entries.map(peekTime)
      },
    })
  }

  /** @throws LineageError `BLOB_ABSENT`, `BLOB_DAMAGED`, `PATH_MALFORMED` */
  blob(digest: string): Promise<Buffer> {
    return readBlob(this.directory, digest)
  }

  /** Those from `from` up to `to` that are in one bundle with the first. */
  async #run(from: number, to: number): Promise<Buffer[]> {
    const { first, entries } = this.#tail
    if (from >= first && from < first + entries.length)
      return entries.slice(from - first, Math.min(to, from + TILE_WIDTH) - first)
    const bundle = Math.floor(from / TILE_WIDTH)
    const begin = bundle * TILE_WIDTH
    const end = Math.min(to, begin + TILE_WIDTH)
    return decodeBundle(await this.#bundle(bundle), end - begin, false).slice(from - begin)
  }

  async #first(bundle: number): Promise<Buffer> {
    const { first, entries } = this.#tail
    const held = bundle * TILE_WIDTH >= first ? entries[bundle * TILE_WIDTH - first] : undefined
    if (held !== undefined) return held
    const name: TileName = { level: 'entries', index: bundle, width: this.#widthOf(bundle) }
    const path = tilePath(name)
    return readFirstEntry(join(this.directory, path), path).catch(async error => {
      if (name.width === TILE_WIDTH) throw error
      // A full one may have taken the place of a partial one.
      return decodeBundle(await this.#bundle(bundle), 1, false)[0] as Buffer
    })
  }

  /** A full bundle, or the partial one of the checkpoint. */
  async #bundle(index: number): Promise<Buffer> {
    const width = this.#widthOf(index)
    const full = tilePath({ level: 'entries', index, width: TILE_WIDTH })
    for (const path of new Set([tilePath({ level: 'entries', index, width }), full])) {
      try {
        return await readBounded(join(this.directory, path), MAX_BUNDLE_BYTES, path)
      } catch (error) {
        if (!(error instanceof LineageError && error.code === 'BLOB_ABSENT')) throw error
      }
    }
    throw new LineageError('LINEAGE_BROKEN', `${full} cannot be read`, { at: full })
  }

  #widthOf(bundle: number): number {
    const size = this.checkpoint?.size ?? 0
    return (bundle + 1) * TILE_WIDTH > size && bundle * TILE_WIDTH < size ? size % TILE_WIDTH : TILE_WIDTH
  }
}

/** The entries that are not in bundles, or not only. */
interface Tail {
  readonly first: number
  readonly entries: readonly Buffer[]
}

/** Reads the segments as they are; a writer may add to the last one, and remove the first. Null if there are none. */
function readTail(directory: string): Tail | null {
  for (let attempt = 1; ; attempt++) {
    try {
      return joinSegments(directory)
    } catch (error) {
      if (errno(error) === 'ENOENT' && attempt === 1 && !exists(directory)) return null
      if (attempt === ATTEMPTS) throw error
    }
  }
}

function exists(directory: string): boolean {
  try {
    return readdirSync(directory).length >= 0
  } catch {
    return false
  }
}

function joinSegments(directory: string): Tail | null {
  const names = readdirSync(directory)
    .filter(name => /^[0-9]{16}$/.test(name))
    .sort()
  let tail: { first: number; entries: Buffer[] } | null = null
  for (const name of names) {
    const at = `state/tail/${name}`
    const bytes = readPlainFileSync(join(directory, name), at)
    if (bytes === undefined) throw new LineageError('LINEAGE_BROKEN', `${at} is missing`, { at })
    const { start, entries } = readSegment(bytes, at)
    tail ??= { first: start, entries: [] }
    const skip = tail.first + tail.entries.length - start
    if (skip < 0) throw new LineageError('LINEAGE_BROKEN', `entries before ${at} are missing`, { at })
    for (const entry of entries.slice(skip)) tail.entries.push(entry)
  }
  return tail
}

function readCheckpoint(path: string): Checkpoint | null {
  const note = readPlainFileSync(path, 'checkpoint')
  return note === undefined ? null : parseCheckpoint(note)
}
