import { type BinaryEntry, binaryEntry } from './ascii-entry.ts'
import { entryError, ImaLogError } from './error.ts'
import { MAX_TEMPLATE_BYTES } from './layout.ts'

/** Most bytes of a line: every byte of the template data as two digits, and what stands before it. */
const MAX_LINE_BYTES = 2 * MAX_TEMPLATE_BYTES + 4096
/** Most line feeds in a path that are seen through. */
const MAX_LINES_OF_ENTRY = 8
/** Most bytes of lines that are put together: a name, and what else a template has. */
const MAX_JOINED_BYTES = 64 << 10
const LINE_FEED = 0x0a

/**
 * Turns the log's text form (`ascii_runtime_measurements`) into the binary one, as it comes. The kernel writes a line feed in a file's name as
 * it is, so that a name can look like the next entry; lines are put together again where only that fits the template hash.
 * A line of nothing is passed over.
 */
export class AsciiImaLog {
  /** What came behind the last line feed. */
  readonly #rest: Buffer[] = []
  #restBytes = 0
  /** Lines that may belong together, the first of them no good entry by itself. */
  #held: Buffer[] = []
  #entries = 0
  #columnBytes: number | null = null
  /** Null until an entry has told. */
  #bigEndian: boolean | null = null
  #offset = 0

  /** Entries so far. */
  get length(): number {
    return this.#entries
  }

  /**
   * Takes the next bytes, and gives the entries that they complete in binary form.
   *
   * @throws ImaLogError
   */
  push(bytes: Uint8Array): Buffer {
    const out: Buffer[] = []
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      this.#line(this.#takeLine(chunk.subarray(start, end)), out)
      start = end + 1
    }
    this.#keep(chunk.subarray(start))
    return Buffer.concat(out)
  }

  /** Says that this is all. The last line needs no line feed. @throws ImaLogError */
  end(): Buffer {
    const out: Buffer[] = []
    if (this.#restBytes > 0) this.#line(this.#takeLine(Buffer.alloc(0)), out)
    while (this.#held.length > 0) this.#giveUp(out)
    return Buffer.concat(out)
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return
    this.#restBytes += piece.length
    if (this.#restBytes > MAX_LINE_BYTES)
      throw entryError('IMA_LOG_MALFORMED', this.#entries, `a line of more than ${MAX_LINE_BYTES} bytes`, {
        offset: this.#offset,
      })
    this.#rest.push(Buffer.from(piece))
  }

  #takeLine(end: Buffer): Buffer {
    this.#keep(end)
    const line = Buffer.concat(this.#rest.splice(0))
    this.#offset += line.length + 1
    this.#restBytes = 0
    return line
  }

  /** Takes a line: an entry, or the next part of the one that is held. */
  #line(line: Buffer, out: Buffer[]): void {
    if (line.length === 0 && this.#held.length === 0) return
    this.#held.push(line)
    const entry = this.#tryHeld()
    if (entry !== null && entry.matches !== false) this.#accept(entry, out)
    else if (this.#held.length >= MAX_LINES_OF_ENTRY || this.#heldBytes() > MAX_JOINED_BYTES)
      this.#giveUp(out)
  }

  #heldBytes(): number {
    return this.#held.reduce((bytes, line) => bytes + line.length, 0)
  }

  /** The held lines as one entry; null if they are none. */
  #tryHeld(): BinaryEntry | null {
    const line = this.#held.length === 1 ? this.#held[0] : joined(this.#held)
    try {
      const entry = this.#read(line ?? Buffer.alloc(0))
      // Nothing tells whether the next line belongs to a violation.
      return entry.matches === null && this.#held.length > 1 ? null : entry
    } catch (error) {
      if (error instanceof ImaLogError) return null
      throw error
    }
  }

  /** Nothing fits the first held line: it is an entry by itself, with a wrong template hash, or none. @throws ImaLogError */
  #giveUp(out: Buffer[]): void {
    const [first = Buffer.alloc(0), ...others] = this.#held
    this.#held = []
    if (first.length > 0) this.#accept(this.#read(first), out)
    for (const line of others) this.#line(line, out)
  }

  #read(line: Buffer): BinaryEntry {
    const entry = binaryEntry(line, this.#entries, this.#bigEndian ?? false)
    // Numbers are as the host has them, which no digit shows; the first entry whose hash fits tells.
    if (entry.matches !== false || this.#bigEndian !== null) return entry
    const other = binaryEntry(line, this.#entries, true)
    return other.matches ? other : entry
  }

  #accept(entry: BinaryEntry, out: Buffer[]): void {
    this.#columnBytes ??= entry.columnBytes
    if (entry.columnBytes !== this.#columnBytes)
      throw entryError('IMA_LOG_MALFORMED', this.#entries, 'its template hash is of another kind', {
        offset: this.#offset,
      })
    // All entries are written alike, so the first one decides; a violation tells nothing.
    this.#bigEndian ??= entry.matches === true && entry.bigEndian
    this.#held = []
    this.#entries++
    out.push(entry.bytes)
  }
}

function joined(lines: readonly Buffer[]): Buffer {
  return Buffer.concat(lines.flatMap((line, i) => (i === 0 ? [line] : [Buffer.of(LINE_FEED), line])))
}
