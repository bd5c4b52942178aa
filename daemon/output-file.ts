import { type FileHandle, open, truncate, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { OutputPiece, OutputStream } from './output-tail.ts'
import { Wakeups } from './wakeups.ts'

/** One byte for the kind, four for the length. */
const HEADER = 5
const KINDS = { stdout: 1, stderr: 2, position: 3 } as const
/** What a position says: bytes of each stream that had been written up to there, kept or not. */
const POSITION_BYTES = 16
/** Most bytes of output in one frame. */
const MAX_FRAME = 64 * 1024
const LEAST_FRAME = 512
/** Read at once: any frame fits. */
const READ_BYTES = 2 * (MAX_FRAME + HEADER)
/** Of the two that there may be at a time, so that the older can be dropped as a whole. */
const SEGMENTS = 2

interface Segment {
  readonly number: number
  readonly path: string
  bytes: number
}

export interface OutputFileOptions {
  readonly directory: string
  /** What the names of its files begin with. */
  readonly name: string
  /** Most bytes on the disk; 0 keeps nothing. */
  readonly limit: number
  /** Asked before it takes so many bytes more; called with less than 0 when it has given some up. */
  readonly take: (bytes: number) => void
  /** Told once when the disk does not take what is written. */
  readonly onFault: (error: unknown) => void
  /** Those of an execution that an earlier daemon kept. */
  readonly segments?: readonly Segment[]
}

/**
 * The newest output of one detached execution, in at most two files: frames of both streams in the order in which they came, the older
 * file dropped when the newer is full. Each file begins with a position, and so does what follows on something that the disk did not take, so
 * that a reader knows what is missing. A file may be cut anywhere (a crash, a full disk): what follows the last whole frame is not there.
 */
export class OutputFile {
  readonly #o: OutputFileOptions
  #segments: Segment[]
  #handle: FileHandle | null = null
  readonly #written = { stdout: 0, stderr: 0 }
  /** Something was not kept since the last position. */
  #lost = false
  #faulty = false
  #ended: boolean
  #queue: Promise<void> = Promise.resolve()
  readonly #readers = new Wakeups()

  constructor(options: OutputFileOptions) {
    this.#o = options
    this.#segments = [...(options.segments ?? [])]
    this.#ended = options.segments !== undefined
  }

  /** Whether it may hold anything at all. */
  get kept(): boolean {
    return this.#o.limit > 0 || this.#segments.length > 0
  }

  /** Bytes on the disk. */
  get size(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** What it consists of on the disk. */
  get segments(): readonly Segment[] {
    return this.#segments
  }

  /** What an earlier daemon kept is not all: more comes. Counts what had been written, so that the next position is right. */
  async goOn(): Promise<void> {
    for await (const piece of this.read(false, new AbortController().signal)) {
      if (piece.kind === 'bytes') this.#written[piece.stream] += piece.bytes.length
      else for (const stream of ['stdout', 'stderr'] as const) this.#written[stream] += piece.gap[stream]
    }
    this.#ended = false
  }

  /** Takes what was written; resolves when the disk has it, or has refused it. Never rejects. */
  write(stream: OutputStream, bytes: Buffer): Promise<void> {
    // A small limit still has some frames, so that there is something to drop.
    const most = Math.max(LEAST_FRAME, Math.min(MAX_FRAME, Math.floor(this.#o.limit / 8)))
    for (let at = 0; at < bytes.length; at += most) {
      const piece = bytes.subarray(at, at + most)
      this.#queue = this.#queue.then(() => this.#append(stream, piece))
    }
    return this.#queue
  }

  /** Nothing more comes. */
  async end(): Promise<void> {
    await this.#queue
    if (this.#lost) await this.#try(async () => this.#put(this.#position()))
    await this.#handle?.close().catch(() => undefined)
    this.#handle = null
    this.#ended = true
    this.#readers.wake()
  }

  /** Removes what is kept. */
  async remove(): Promise<void> {
    for (const segment of this.#segments.splice(0)) await this.#drop(segment)
    this.#readers.wake()
  }

  /**
   * What is kept, oldest first, what is missing as gaps.
   *
   * @param follow goes on with what is written until the execution has ended
   */
  async *read(follow: boolean, signal: AbortSignal): AsyncGenerator<OutputPiece, void, undefined> {
    const had = { stdout: 0, stderr: 0 }
    const last = this.#segments.at(-1)
    const until = follow ? null : { number: last?.number ?? -1, bytes: last?.bytes ?? 0 }
    let [number, offset] = [0, 0]
    while (!signal.aborted) {
      const segment = this.#segments.find(candidate => candidate.number >= number)
      if (segment !== undefined && segment.number !== number) [number, offset] = [segment.number, 0]
      const end =
        segment === undefined
          ? 0
          : until?.number === number
            ? Math.min(until.bytes, segment.bytes)
            : segment.bytes
      if (segment !== undefined && offset < end && (until === null || number <= until.number)) {
        const chunk = await readPart(segment.path, offset, Math.min(READ_BYTES, end - offset))
        const { frames, length } = parseFrames(chunk)
        offset = length === 0 ? end : offset + length
        for (const frame of frames) {
          const piece = pieceOf(frame, had)
          if (piece !== null) yield piece
        }
      } else if (this.#segments.some(candidate => candidate.number > number)) {
        number++
        offset = 0
      } else if (this.#ended || until !== null) return
      else await this.#readers.more(signal)
    }
  }

  async #append(stream: OutputStream, bytes: Buffer): Promise<void> {
    await this.#try(async () => {
      if (this.#lost) await this.#put(this.#position())
      this.#lost = false
      await this.#put(frame(KINDS[stream], bytes))
    })
    this.#written[stream] += bytes.length
    this.#readers.wake()
  }

  /** A disk that is full or gone costs output, never more. */
  async #try(write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (error) {
      this.#lost = true
      const segment = this.#segments.at(-1)
      if (segment !== undefined) await truncate(segment.path, segment.bytes).catch(() => undefined)
      if (!this.#faulty) this.#o.onFault(error)
      this.#faulty = true
    }
  }

  async #put(bytes: Buffer): Promise<void> {
    const room = Math.floor(this.#o.limit / SEGMENTS)
    if (bytes.length + HEADER + POSITION_BYTES > room) {
      this.#lost = true
      return
    }
    const current = this.#segments.at(-1)
    if (this.#handle === null || current === undefined || current.bytes + bytes.length > room)
      await this.#roll()
    await this.#add(bytes)
  }

  async #roll(): Promise<void> {
    await this.#handle?.close()
    this.#handle = null
    while (this.#segments.length >= SEGMENTS) await this.#drop(this.#segments.shift())
    const number = (this.#segments.at(-1)?.number ?? -1) + 1
    const path = join(this.#o.directory, `${this.#o.name}.${number}`)
    this.#handle = await open(path, 'wx', 0o600)
    this.#segments.push({ number, path, bytes: 0 })
    await this.#add(this.#position())
  }

  async #add(bytes: Buffer): Promise<void> {
    const segment = this.#segments.at(-1)
    if (this.#handle === null || segment === undefined) throw new Error('no file is open')
    this.#o.take(bytes.length)
    let done = 0
    try {
      while (done < bytes.length)
        done += (await this.#handle.write(bytes, done, bytes.length - done, segment.bytes + done))
          .bytesWritten
    } catch (error) {
      this.#o.take(-bytes.length)
      throw error
    }
    segment.bytes += bytes.length
  }

  async #drop(segment: Segment | undefined): Promise<void> {
    if (segment === undefined) return
    this.#o.take(-segment.bytes)
    await unlink(segment.path).catch(() => undefined)
  }

  #position(): Buffer {
    const totals = Buffer.alloc(POSITION_BYTES)
    totals.writeBigUInt64LE(BigInt(this.#written.stdout), 0)
    totals.writeBigUInt64LE(BigInt(this.#written.stderr), 8)
    return frame(KINDS.position, totals)
  }
}

interface Frame {
  readonly kind: number
  readonly bytes: Buffer
}

function frame(kind: number, bytes: Buffer): Buffer {
  const header = Buffer.alloc(HEADER)
  header.writeUInt8(kind)
  header.writeUInt32LE(bytes.length, 1)
  return Buffer.concat([header, bytes])
}

/** The whole frames at the beginning of these bytes, and how long they are together: 0 where no frame begins. */
export function parseFrames(bytes: Buffer): { frames: Frame[]; length: number } {
  const frames: Frame[] = []
  let at = 0
  while (at + HEADER <= bytes.length) {
    const kind = bytes.readUInt8(at)
    const length = bytes.readUInt32LE(at + 1)
    const known = kind === KINDS.position ? length === POSITION_BYTES : kind === 1 || kind === 2
    if (!known || length > MAX_FRAME || at + HEADER + length > bytes.length) break
    frames.push({ kind, bytes: bytes.subarray(at + HEADER, at + HEADER + length) })
    at += HEADER + length
  }
  return { frames, length: at }
}

/** @param had bytes of each stream that a reader was given or told of; brought up to date here */
function pieceOf({ kind, bytes }: Frame, had: { stdout: number; stderr: number }): OutputPiece | null {
  if (kind !== KINDS.position) {
    const stream = kind === KINDS.stdout ? 'stdout' : 'stderr'
    had[stream] += bytes.length
    return { kind: 'bytes', stream, bytes }
  }
  const [stdout, stderr] = [Number(bytes.readBigUInt64LE(0)), Number(bytes.readBigUInt64LE(8))]
  const gap = { stdout: Math.max(0, stdout - had.stdout), stderr: Math.max(0, stderr - had.stderr) }
  had.stdout = Math.max(had.stdout, stdout)
  had.stderr = Math.max(had.stderr, stderr)
  return gap.stdout + gap.stderr === 0 ? null : { kind: 'gap', gap }
}

/** Empty for a file that is not there any more: a newer one has taken its place. */
async function readPart(path: string, offset: number, length: number): Promise<Buffer> {
  let handle: FileHandle | null = null
  try {
    handle = await open(path, 'r')
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  } catch {
    return Buffer.alloc(0)
  } finally {
    await handle?.close()
  }
}
