import { constants, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { LineageError } from '../error.ts'
import { NEW_FILE, syncDirectory } from './durable.ts'
import type { Io } from './io.ts'
import { readPlainFileSync } from './plain-file.ts'
import {
  encodeBatch,
  encodeSegmentHeader,
  newSegmentHeader,
  readSegment,
  type SegmentContent,
  type SegmentHeader,
} from './segment.ts'

/** Bytes of zeros that a segment is made of before it is used: a write into them changes no metadata, so that fdatasync costs half. */
export const SEGMENT_CAPACITY = 4 << 20

/** Bytes at the end of a segment that only ends, kills and their like may use (design: "disk space for ends and kills is reserved"). */
export const SEGMENT_RESERVE = 512 << 10

const NAME = /^[0-9]{16}$/
const SPARE = 'spare'
const ZEROS = Buffer.alloc(1 << 20)

function fileName(start: number): string {
  return String(start).padStart(16, '0')
}

/**
 * Reads all segments in order. What an interrupted start had prepared is removed, unless nothing is to be written.
 *
 * @throws LineageError `LINEAGE_BROKEN` for what is none or not all of one, `LINEAGE_UNAVAILABLE` for what cannot be read
 */
export function readTail(directory: string, sweep = true): SegmentContent[] {
  const names = readdirSync(directory).sort()
  const segments: SegmentContent[] = []
  for (const name of names) {
    const path = join(directory, name)
    const at = `state/tail/${name}`
    if (name === SPARE) {
      if (sweep) unlinkSync(path)
      continue
    }
    if (!NAME.test(name))
      throw new LineageError('LINEAGE_BROKEN', `${at} is nothing that the log has there`, { at })
    const bytes = readPlainFileSync(path, at)
    if (bytes === undefined) throw new LineageError('LINEAGE_BROKEN', `${at} is missing`, { at })
    // Its zeros were durable before it had a name, and it never shrinks.
    if (bytes.length < SEGMENT_CAPACITY)
      throw new LineageError('LINEAGE_BROKEN', `${at} was cut to ${bytes.length} bytes`, { at })
    const segment = readSegment(bytes, at)
    if (fileName(segment.start) !== name) {
      throw new LineageError('LINEAGE_BROKEN', `${at} holds the segment of another index`, { at })
    }
    segments.push(segment)
  }
  return segments
}

/**
 * The file that entries are appended to, and the prepared one that follows it. One caller at a time.
 */
export class Tail {
  readonly #io: Io
  readonly #directory: string
  #fd = -1
  #header: SegmentHeader | undefined
  #used = 0
  #segments: number
  #limit = 0
  #spare: Promise<number> | undefined

  /** @param segments that are in the directory already */
  constructor(io: Io, directory: string, segments: number) {
    this.#io = io
    this.#directory = directory
    this.#segments = segments
  }

  /** Segments on disk, the one in use included. */
  get segments(): number {
    return this.#segments
  }

  /** Whether a batch of so many bytes fits; `reserved` ones may use the reserve. */
  fits(bytes: number, reserved: boolean): boolean {
    return this.#used + bytes <= this.#limit - (reserved ? 0 : SEGMENT_RESERVE)
  }

  /**
   * Goes on in a new segment that starts at `start` and holds `entries` at once. When this resolves, they are durable in it. When
   * it rejects with lack of space, the old segment is still the one in use.
   */
  async rotate(start: number, root: Buffer, entries: readonly Uint8Array[]): Promise<void> {
    const io = this.#io
    this.#spare ??= this.#makeSpare()
    let fd: number
    try {
      fd = await this.#spare
    } finally {
      this.#spare = undefined
    }
    const header = newSegmentHeader(start, root)
    const batch = entries.length > 0 ? encodeBatch(header, start, entries) : Buffer.alloc(0)
    const content = Buffer.concat([encodeSegmentHeader(header), batch])
    try {
      io.write(fd, content, 0)
      await io.fsync(fd)
      await io.rename(join(this.#directory, SPARE), join(this.#directory, fileName(start)))
      await syncDirectory(io, this.#directory)
    } catch (error) {
      await io.close(fd)
      throw error
    }
    if (this.#fd >= 0) await io.close(this.#fd)
    // One that started at the same entry has been replaced.
    if (this.#header?.start !== start) this.#segments++
    this.#fd = fd
    this.#header = header
    this.#used = content.length
    this.#limit = Math.max(SEGMENT_CAPACITY, content.length + SEGMENT_CAPACITY / 2)
  }

  /** Makes the next segment's file ahead of its use; a failure shows at the next {@link rotate}. */
  prepare(): void {
    if (this.#spare !== undefined) return
    const spare = this.#makeSpare()
    spare.catch(() => {
      if (this.#spare === spare) this.#spare = undefined
    })
    this.#spare = spare
  }

  async #makeSpare(): Promise<number> {
    const io = this.#io
    const path = join(this.#directory, SPARE)
    const fd = await io.open(path, (NEW_FILE & ~constants.O_EXCL) | constants.O_TRUNC, 0o640)
    try {
      for (let at = 0; at < SEGMENT_CAPACITY; at += ZEROS.length) await io.writeLarge(fd, ZEROS, at)
      await io.fsync(fd)
      return fd
    } catch (error) {
      await io.close(fd)
      // What was taken is given back: the space is needed for ends and kills.
      await io.unlink(path)
      throw error
    }
  }

  /** Appends a batch; `whileSyncing` runs on this thread while the disk works. Durable when this resolves. */
  async append(first: number, entries: readonly Uint8Array[], whileSyncing: () => void): Promise<void> {
    const batch = encodeBatch(this.#header as SegmentHeader, first, entries)
    this.#io.write(this.#fd, batch, this.#used)
    const synced = this.#io.fdatasync(this.#fd)
    whileSyncing()
    await synced
    this.#used += batch.length
  }

  /** Removes the segments whose entries are all in tiles: those that another one follows at or before entry `tiled`. */
  async prune(tiled: number): Promise<void> {
    const names = readdirSync(this.#directory)
      .filter(name => NAME.test(name))
      .sort()
    for (const [i, name] of names.entries()) {
      const next = names[i + 1]
      if (next === undefined || Number(next) > tiled) continue
      await this.#io.unlink(join(this.#directory, name))
      this.#segments--
    }
  }

  async close(): Promise<void> {
    const spare = await this.#spare?.catch(() => undefined)
    if (spare !== undefined) await this.#io.close(spare)
    if (this.#fd >= 0) await this.#io.close(this.#fd)
    this.#fd = -1
  }
}
