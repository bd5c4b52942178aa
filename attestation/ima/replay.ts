import { hash } from 'node:crypto'
import { decodeEntry, type ImaEntry } from './entry.ts'
import { ImaLogError } from './error.ts'

/**
 * How the kernel extended the SHA-256 bank: with SHA-256 of the template data (Linux 5.8 and later), or with the SHA-1
 * template hash and twelve zero bytes (before).
 */
export type ImaExtend = 'native' | 'padded'

/** Most bytes of a log. A million entries are about 130 MB. */
export const MAX_IMA_LOG_BYTES = 256 << 20
/** Most bytes of one entry's template data: a path has 4 KiB, a signature some hundred bytes. */
const MAX_TEMPLATE_BYTES = 4 << 20
/** TCG_EVENT_NAME_LEN_MAX (security/integrity/ima/ima.h). */
const MAX_NAME_BYTES = 255
/** The PCR that IMA extends (CONFIG_IMA_MEASURE_PCR_IDX). */
export const IMA_PCR = 10

const SHA1 = 20
const SHA256 = 32
/** pcr, template hash, length of the name: what stands before the name. */
const HEAD = 4 + SHA1 + 4
const ZERO_HASH = '\0'.repeat(SHA1)

/**
 * Replays the kernel's binary IMA log into PCR 10 of the SHA-256 bank, as it grows: each entry is hashed once, however
 * often the log is looked at. PCR 10's value after each entry is kept, since a quote may match any of them.
 *
 * The bytes are controlled by the host. The template hash is recomputed from the template data; the column beside it
 * only tells a violation (all zero, which extends all ones) from an entry, and a lie there does not match the quote.
 * A log that was refused once stays refused.
 */
export class ImaReplay {
  readonly extend: ImaExtend
  #log: Buffer = Buffer.alloc(0)
  /** Bytes of `#log` that are filled, and how many of them are whole entries. */
  #filled = 0
  #parsed = 0
  /** Where each whole entry begins. */
  readonly #offsets: number[] = []
  /** PCR 10 after each entry, 32 bytes each. */
  #states: Buffer = Buffer.alloc(0)
  /** PCR 10 and what extends it next. */
  readonly #scratch = Buffer.alloc(2 * SHA256)
  #refused: ImaLogError | null = null

  constructor(extend: ImaExtend = 'native') {
    this.extend = extend
  }

  /** Whole entries so far. */
  get length(): number {
    return this.#offsets.length
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

  /** PCR 10 after the first `count` entries, as a view. */
  pcr10After(count: number): Buffer {
    if (!Number.isInteger(count) || count < 0 || count > this.length)
      throw new RangeError(`no position ${count}`)
    return count === 0 ? Buffer.alloc(SHA256) : this.#states.subarray((count - 1) * SHA256, count * SHA256)
  }

  /**
   * The most entries after which PCR 10 fits, the last of them one of PCR 10, or null. A live log runs ahead of a quote by a
   * few entries, so the search begins at its end.
   */
  findPosition(fits: (pcr10: Buffer) => boolean): number | null {
    for (let count = this.length; count >= 0; count--) {
      const extended = count === 0 || this.#pcrOf(this.#offsets[count - 1]) === IMA_PCR
      if (extended && fits(this.pcr10After(count))) return count
    }
    return null
  }

  /** Decodes one entry. @throws ImaLogError | RangeError when there is no such entry */
  entry(index: number): ImaEntry {
    const start = this.#offsets[index]
    if (start === undefined) throw new RangeError(`no entry ${index}`)
    const nameEnd = start + HEAD + this.#log.readUInt32LE(start + 4 + SHA1)
    const dataStart = nameEnd + 4
    const data = this.#log.subarray(dataStart, dataStart + this.#log.readUInt32LE(nameEnd))
    const violation = this.#isViolation(start)
    return decodeEntry({
      index,
      pcr: this.#pcrOf(start),
      template: this.#log.toString('latin1', start + HEAD, nameEnd),
      violation,
      columnMatches: violation || this.#column(start) === hash('sha1', data, 'latin1'),
      data,
    })
  }

  #column(start: number): string {
    return this.#log.toString('latin1', start + 4, start + 4 + SHA1)
  }

  #pcrOf(start = 0): number {
    return this.#log.readUInt32LE(start)
  }

  #isViolation(start: number): boolean {
    // The first byte tells nearly all others apart without making a string.
    return this.#log[start + 4] === 0 && this.#column(start) === ZERO_HASH
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
    const index = this.#offsets.length
    if (start + HEAD > this.#filled) return false
    const nameLength = this.#log.readUInt32LE(start + 4 + SHA1)
    if (nameLength === 0 || nameLength > MAX_NAME_BYTES) {
      throw malformed(index, `a template name of ${nameLength} bytes`)
    }
    const nameEnd = start + HEAD + nameLength
    if (nameEnd + 4 > this.#filled) return false
    // The oldest template alone has no length before its data (ima_measurements_show).
    if (nameLength === 3 && this.#log.toString('latin1', start + HEAD, nameEnd) === 'ima') {
      throw new ImaLogError('IMA_TEMPLATE_UNSUPPORTED', `IMA log, entry ${index}: template "ima"`, {
        at: `entry ${index}`,
      })
    }
    const dataLength = this.#log.readUInt32LE(nameEnd)
    if (dataLength > MAX_TEMPLATE_BYTES) throw malformed(index, `template data of ${dataLength} bytes`)
    const end = nameEnd + 4 + dataLength
    if (end > this.#filled) return false
    this.#replay(index, start, this.#log.subarray(nameEnd + 4, end))
    this.#offsets.push(start)
    this.#parsed = end
    return true
  }

  #replay(index: number, start: number, data: Buffer): void {
    const scratch = this.#scratch
    if (this.#pcrOf(start) === IMA_PCR) {
      // latin1 strings: a one-shot hash gives one twice as fast as a Buffer.
      if (this.#isViolation(start)) scratch.fill(0xff, SHA256)
      else if (this.extend === 'native')
        scratch.write(hash('sha256', data, 'latin1'), SHA256, SHA256, 'latin1')
      else scratch.fill(0, SHA256).write(hash('sha1', data, 'latin1'), SHA256, SHA1, 'latin1')
      scratch.write(hash('sha256', scratch, 'latin1'), 0, SHA256, 'latin1')
    }
    const at = index * SHA256
    if (at + SHA256 > this.#states.length) this.#states = grown(this.#states, at + SHA256)
    scratch.copy(this.#states, at, 0, SHA256)
  }
}

function malformed(index: number, what: string): ImaLogError {
  return new ImaLogError('IMA_LOG_MALFORMED', `IMA log, entry ${index}: ${what}`, { at: `entry ${index}` })
}

/** A copy with room for at least `needed` bytes; doubling, so that a growing log is copied a constant number of times. */
function grown(buffer: Buffer, needed: number): Buffer {
  const larger = Buffer.alloc(Math.max(needed, 2 * buffer.length, 4096))
  larger.set(buffer)
  return larger
}

/** Replays a whole log. @throws ImaLogError also when it is cut */
export function replayImaLog(bytes: Uint8Array, extend: ImaExtend = 'native'): ImaReplay {
  const replay = new ImaReplay(extend)
  replay.append(bytes)
  if (replay.pendingBytes !== 0) {
    throw new ImaLogError(
      'IMA_LOG_TRUNCATED',
      `IMA log: ${replay.pendingBytes} bytes after the last whole entry`,
      {
        at: `entry ${replay.length}`,
      },
    )
  }
  return replay
}
