import { Wakeups } from './wakeups.ts'

export type OutputStream = 'stdout' | 'stderr'

/** Bytes of each stream that were not kept. */
export interface OutputGap {
  readonly stdout: number
  readonly stderr: number
}

/** What a reader gets: bytes in the order in which they were written, or how many are missing here. */
export type OutputPiece =
  | { readonly kind: 'bytes'; readonly stream: OutputStream; readonly bytes: Buffer }
  | { readonly kind: 'gap'; readonly gap: OutputGap }

/** One byte for the stream, two for the length. */
const HEADER = 3
/** Most bytes of one frame: what is forgotten is forgotten by frames. */
const MAX_FRAME = 4096 - HEADER
/** A small tail still has this many frames. */
const LEAST_FRAMES = 4
const FIRST_CAPACITY = 1024
/** Most bytes of one piece to a reader. */
const MAX_PIECE = 64 * 1024

/** Where a reader is: the frame that it reads next, and what it had of each stream up to there. */
interface Position {
  at: number
  had: { stdout: number; stderr: number }
}

/**
 * The newest output of one execution, in one ring of bytes: frames of both streams in the order in which they came. Offsets only
 * ever grow and are taken modulo the ring's size. Readers hold a position and nothing else: one that is too slow misses what is
 * forgotten meanwhile, and is told how much. Nothing here ever waits for a reader.
 */
export class OutputTail {
  readonly #limit: number
  readonly #mayGrow: (bytes: number) => boolean
  #ring = Buffer.alloc(0)
  /** Offsets of the oldest frame that is kept, and of the end. */
  #start = 0
  #end = 0
  #forgotten = { stdout: 0, stderr: 0 }
  #ended = false
  readonly #readers = new Wakeups()

  /**
   * @param limit most bytes of memory for it
   * @param mayGrow asked before it takes this many bytes more than it has
   */
  constructor(limit: number, mayGrow: (bytes: number) => boolean) {
    this.#limit = limit
    this.#mayGrow = mayGrow
  }

  /** Bytes of memory that it has. */
  get size(): number {
    return this.#ring.length
  }

  /** Whether it may hold anything at all. */
  get kept(): boolean {
    return this.#limit > 0
  }

  /** Takes what was written; the bytes are copied. */
  append(stream: OutputStream, bytes: Buffer): void {
    const most = Math.min(MAX_FRAME, Math.floor(this.#limit / LEAST_FRAMES) - HEADER)
    if (most <= 0) this.#miss(stream, bytes.length)
    else for (let at = 0; at < bytes.length; at += most) this.#put(stream, bytes.subarray(at, at + most))
    this.#readers.wake()
  }

  /** Nothing more comes. */
  end(): void {
    this.#ended = true
    this.#readers.wake()
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Gives up what is kept; readers are told how much they miss. */
  clear(): void {
    while (this.#start < this.#end) this.#forget()
    this.#ring = Buffer.alloc(0)
    this.#readers.wake()
  }

  /**
   * What is kept, oldest first, what was forgotten before it as a gap.
   *
   * @param follow goes on with what is written until the execution has ended; else what is written from now on is left out
   */
  async *read(follow: boolean, signal: AbortSignal): AsyncGenerator<OutputPiece, void, undefined> {
    const position: Position = { at: 0, had: { stdout: 0, stderr: 0 } }
    const until = follow ? Number.POSITIVE_INFINITY : this.#end
    while (!signal.aborted) {
      const piece = this.#next(position, until)
      if (piece !== null) yield piece
      else if (this.#ended || position.at >= until) return
      else await this.#readers.more(signal)
    }
  }

  #put(stream: OutputStream, bytes: Buffer): void {
    const needed = HEADER + bytes.length
    if (!this.#makeRoom(needed)) {
      this.#miss(stream, bytes.length)
      return
    }
    // Byte by byte, here and where it is read: all output comes this way, and a buffer for each header costs more than the copy.
    this.#setByte(this.#end, stream === 'stdout' ? 1 : 2)
    this.#setByte(this.#end + 1, bytes.length >> 8)
    this.#setByte(this.#end + 2, bytes.length & 0xff)
    this.#write(this.#end + HEADER, bytes)
    this.#end += needed
  }

  /** Counts what is not kept at all; nothing else is then. The offset moves on, so that readers come to know of the gap. */
  #miss(stream: OutputStream, bytes: number): void {
    this.#forgotten[stream] += bytes
    this.#start = ++this.#end
  }

  /** Grows as long as that is allowed, then forgets. False if the frame fits no ring that it may have. */
  #makeRoom(needed: number): boolean {
    while (this.#end - this.#start + needed > this.#ring.length && this.#grow());
    if (needed > this.#ring.length) {
      while (this.#start < this.#end) this.#forget()
      return false
    }
    while (this.#end - this.#start + needed > this.#ring.length) this.#forget()
    return true
  }

  #grow(): boolean {
    const { length } = this.#ring
    const next = Math.min(this.#limit, Math.max(FIRST_CAPACITY, length * 2))
    if (next <= length || !this.#mayGrow(next - length)) return false
    const kept = this.#bytes(this.#start, this.#end - this.#start)
    this.#ring = Buffer.alloc(next)
    this.#write(this.#start, kept)
    return true
  }

  #forget(): void {
    const { stream, length } = this.#frame(this.#start)
    this.#forgotten[stream] += length
    this.#start += HEADER + length
  }

  #next(position: Position, until: number): OutputPiece | null {
    if (position.at < this.#start) {
      const { had } = position
      const gap = { stdout: this.#forgotten.stdout - had.stdout, stderr: this.#forgotten.stderr - had.stderr }
      position.at = this.#start
      position.had = { ...this.#forgotten }
      return { kind: 'gap', gap }
    }
    const end = Math.min(this.#end, until)
    if (position.at >= end) return null
    const { stream } = this.#frame(position.at)
    const pieces: Buffer[] = []
    for (let total = 0; position.at < end; ) {
      const frame = this.#frame(position.at)
      if (frame.stream !== stream || total + frame.length > MAX_PIECE) break
      pieces.push(this.#bytes(position.at + HEADER, frame.length))
      total += frame.length
      position.at += HEADER + frame.length
      position.had[stream] += frame.length
    }
    return {
      kind: 'bytes',
      stream,
      bytes: pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces),
    }
  }

  #frame(at: number): { stream: OutputStream; length: number } {
    const length = (this.#byte(at + 1) << 8) | this.#byte(at + 2)
    return { stream: this.#byte(at) === 1 ? 'stdout' : 'stderr', length }
  }

  #byte(at: number): number {
    return this.#ring[at % this.#ring.length] ?? 0
  }

  #setByte(at: number, value: number): void {
    this.#ring[at % this.#ring.length] = value
  }

  /** A copy: what is in the ring may be overwritten before a reader has sent it. */
  #bytes(at: number, length: number): Buffer {
    const out = Buffer.allocUnsafe(length)
    if (length === 0) return out
    const from = at % this.#ring.length
    const first = Math.min(length, this.#ring.length - from)
    this.#ring.copy(out, 0, from, from + first)
    this.#ring.copy(out, first, 0, length - first)
    return out
  }

  #write(at: number, bytes: Buffer): void {
    const to = at % this.#ring.length
    const first = Math.min(bytes.length, this.#ring.length - to)
    bytes.copy(this.#ring, to, 0, first)
    bytes.copy(this.#ring, 0, first)
  }
}
