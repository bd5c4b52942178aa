import { hash } from 'node:crypto'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'
import { matchesColumn } from './column.ts'
import { decodeEntry, type ImaEntry } from './entry.ts'
import { ImaLogError } from './error.ts'
import {
  detectLayout,
  frameAt,
  frameEnd,
  hashedData,
  type ImaFrame,
  type ImaLayout,
  isLegacy,
  readU32,
} from './layout.ts'

/**
 * How the kernel extended a bank: with the bank's hash of the template data (Linux 5.8 and later), or with the SHA-1 template hash and
 * zero bytes behind it (before, and for a bank whose hash the kernel lacks). For the SHA-1 bank both are the same.
 */
export type ImaExtend = 'native' | 'padded'

/** Most bytes of a log. A million entries are about 130 MB. */
export const MAX_IMA_LOG_BYTES = 256 << 20
/** The PCR that IMA extends (CONFIG_IMA_MEASURE_PCR_IDX). */
export const IMA_PCR = 10

const SHA1 = 20

/** What a replay begins with, if not with the boot. */
export interface ImaPosition {
  /** Entries before the first byte. */
  readonly entries: number
  /** PCR 10 after them. */
  readonly pcr10: Uint8Array
}

export interface ImaReplayOptions {
  readonly bank?: HashAlgorithm
  readonly extend?: ImaExtend
  /** Entries that have been verified before and are not given again. */
  readonly from?: ImaPosition
}

/**
 * Replays the kernel's binary IMA log into PCR 10 of one bank, as it grows: each entry is hashed once, however
 * often the log is looked at. PCR 10's value after each entry is kept, since a quote may match any of them.
 *
 * The bytes are controlled by the host. The template hash is recomputed from the template data; the column beside it
 * only tells a violation (all zero, which extends all ones) from an entry, and a lie there does not match the quote.
 * A log that was refused once stays refused.
 */
export class ImaReplay {
  readonly bank: HashAlgorithm
  readonly extend: ImaExtend
  /** The number of the first entry that is here. */
  readonly first: number
  readonly #size: number
  readonly #before: Buffer
  #log: Buffer = Buffer.alloc(0)
  /** Bytes of `#log` that are filled, and how many of them are whole entries. */
  #filled = 0
  #parsed = 0
  #layout: ImaLayout | null = null
  #noHash = ''
  /** Where each whole entry begins. */
  readonly #offsets: number[] = []
  /** PCR 10 after each entry. */
  #states: Buffer = Buffer.alloc(0)
  /** PCR 10 and what extends it next. */
  readonly #scratch: Buffer
  #refused: ImaLogError | null = null

  constructor({ bank = 'sha256', extend = 'native', from }: ImaReplayOptions = {}) {
    this.bank = bank
    this.extend = bank === 'sha1' ? 'native' : extend
    this.first = from?.entries ?? 0
    this.#size = hashSize(bank)
    this.#before = Buffer.alloc(this.#size)
    if (from !== undefined) {
      if (from.pcr10.length !== this.#size) throw new RangeError(`PCR 10 of ${from.pcr10.length} bytes`)
      this.#before.set(from.pcr10)
    }
    this.#scratch = Buffer.alloc(2 * this.#size)
    this.#before.copy(this.#scratch)
  }

  /** Whole entries so far, with those before the first that is here. */
  get length(): number {
    return this.first + this.#offsets.length
  }

  /** All bytes so far: the evidence. */
  get bytes(): Buffer {
    return this.#log.subarray(0, this.#filled)
  }

  /** Bytes after the last whole entry. Not zero at the end of a log means that it was cut. */
  get pendingBytes(): number {
    return this.#filled - this.#parsed
  }

  /**
   * Takes the next bytes of the log.
   *
   * @throws ImaLogError for bytes that no kernel writes, now and at every later call
   */
  append(bytes: Uint8Array): void {
    if (this.#refused !== null) throw this.#refused
    try {
      this.#grow(bytes)
      while (this.#step());
    } catch (error) {
      if (error instanceof ImaLogError) this.#refused = error
      throw error
    }
  }

  /** Says that this is all. @throws ImaLogError `IMA_LOG_TRUNCATED` when the last entry is not whole */
  finish(): void {
    if (this.#refused !== null) throw this.#refused
    if (this.pendingBytes === 0) return
    throw new ImaLogError(
      'IMA_LOG_TRUNCATED',
      `IMA log: ${this.pendingBytes} bytes after the last whole entry`,
      { at: `entry ${this.length}`, offset: this.#parsed },
    )
  }

  /** PCR 10 after the first `count` entries, as a view. */
  pcr10After(count: number): Buffer {
    if (!Number.isInteger(count) || count < this.first || count > this.length)
      throw new RangeError(`no position ${count}`)
    if (count === this.first) return Buffer.from(this.#before)
    const at = (count - 1 - this.first) * this.#size
    return this.#states.subarray(at, at + this.#size)
  }

  /**
   * The most entries after which PCR 10 fits, the last of them one of PCR 10, or null. A live log runs ahead of a quote by a
   * few entries, so the search begins at its end.
   */
  findPosition(fits: (pcr10: Buffer) => boolean): number | null {
    for (let count = this.length; count >= this.first; count--) {
      const extended = count === this.first || this.#pcrOf(this.#offsets[count - 1 - this.first]) === IMA_PCR
      if (extended && fits(this.pcr10After(count))) return count
    }
    return null
  }

  /** Decodes one entry. @throws ImaLogError | RangeError when there is no such entry */
  entry(index: number): ImaEntry {
    const frame = this.#frame(index)
    const data = hashedData(this.#log, frame)
    const { columnBytes, bigEndian } = this.#knownLayout()
    const column = this.#log.subarray(frame.column, frame.column + columnBytes)
    const violation = this.#isViolation(frame.column)
    return decodeEntry({
      index,
      pcr: frame.pcr,
      template: this.#log.toString('latin1', frame.nameStart, frame.nameEnd),
      violation,
      columnMatches: violation || matchesColumn(column, data),
      data,
      bigEndian,
    })
  }

  /**
   * The first entry in which another log differs from this one, or null when one begins with the other: then the shorter one's
   * length says where it ends.
   *
   * @param bytes the other log, from the boot like this one
   */
  firstDifference(bytes: Uint8Array): number | null {
    const shared = Math.min(bytes.length, this.#filled)
    const log = this.#log
    if (log.subarray(0, shared).equals(bytes.subarray(0, shared))) return null
    let at = 0
    while (log[at] === bytes[at]) at++
    // The last entry that begins at or before it.
    let [low, high] = [0, this.#offsets.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((this.#offsets[middle] ?? 0) <= at) low = middle
      else high = middle
    }
    return this.first + low
  }

  #frame(index: number): ImaFrame {
    const at = index - this.first
    const start = this.#offsets[at]
    if (start === undefined) throw new RangeError(`no entry ${index}`)
    return frameAt(this.#log, start, this.#offsets[at + 1] ?? this.#parsed, this.#knownLayout())
  }

  #knownLayout(): ImaLayout {
    if (this.#layout === null) throw new RangeError('no entries')
    return this.#layout
  }

  #pcrOf(start = 0): number {
    return readU32(this.#log, start, this.#layout?.bigEndian ?? false)
  }

  #isViolation(column: number): boolean {
    // The first byte tells nearly all others apart without making a string.
    return (
      this.#log[column] === 0 &&
      this.#log.toString('latin1', column, column + this.#noHash.length) === this.#noHash
    )
  }

  #grow(bytes: Uint8Array): void {
    const filled = this.#filled + bytes.length
    if (filled > MAX_IMA_LOG_BYTES) {
      throw new ImaLogError(
        'IMA_LOG_TOO_LARGE',
        `IMA log of ${filled} bytes, at most ${MAX_IMA_LOG_BYTES} are read`,
      )
    }
    if (filled > this.#log.length) this.#log = grown(this.#log, filled)
    this.#log.set(bytes, this.#filled)
    this.#filled = filled
  }

  /** Replays the next entry, or gives false when it is not there yet. */
  #step(): boolean {
    const start = this.#parsed
    const layout = this.#layout ?? this.#detect()
    if (layout === null) return false
    const end = frameEnd(this.#log, start, this.#filled, layout, this.length)
    if (end < 0) return false
    this.#replay(start, end, layout)
    this.#offsets.push(start)
    this.#parsed = end
    return true
  }

  #detect(): ImaLayout | null {
    this.#layout = detectLayout(this.bytes)
    if (this.#layout !== null) this.#noHash = '\0'.repeat(this.#layout.columnBytes)
    return this.#layout
  }

  /** What the template hash is over; nearly always the end of the entry as it is. */
  #hashedData(start: number, end: number, layout: ImaLayout): Buffer {
    const nameStart = start + 8 + layout.columnBytes
    const nameEnd = nameStart + readU32(this.#log, nameStart - 4, layout.bigEndian)
    return isLegacy(this.#log, nameStart, nameEnd)
      ? hashedData(this.#log, frameAt(this.#log, start, end, layout))
      : this.#log.subarray(nameEnd + 4, end)
  }

  #replay(start: number, end: number, layout: ImaLayout): void {
    const scratch = this.#scratch
    const size = this.#size
    if (this.#pcrOf(start) === IMA_PCR) {
      // latin1 strings: a one-shot hash gives one twice as fast as a Buffer.
      if (this.#isViolation(start + 4)) scratch.fill(0xff, size)
      else {
        const data = this.#hashedData(start, end, layout)
        if (this.extend === 'native') scratch.write(hash(this.bank, data, 'latin1'), size, size, 'latin1')
        else scratch.fill(0, size).write(hash('sha1', data, 'latin1'), size, SHA1, 'latin1')
      }
      scratch.write(hash(this.bank, scratch, 'latin1'), 0, size, 'latin1')
    }
    const at = this.#offsets.length * size
    if (at + size > this.#states.length) this.#states = grown(this.#states, at + size)
    scratch.copy(this.#states, at, 0, size)
  }
}

/** A copy with room for at least `needed` bytes; doubling, so that a growing log is copied a constant number of times. */
function grown(buffer: Buffer, needed: number): Buffer {
  const larger = Buffer.alloc(Math.max(needed, 2 * buffer.length, 4096))
  larger.set(buffer)
  return larger
}

/** Replays a whole log. @throws ImaLogError also when it is cut */
export function replayImaLog(
  bytes: Uint8Array,
  extend: ImaExtend = 'native',
  options: Omit<ImaReplayOptions, 'extend'> = {},
): ImaReplay {
  const replay = new ImaReplay({ ...options, extend })
  replay.append(bytes)
  replay.finish()
  return replay
}
