import { createHash, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { LineageEvent } from '../lineage/index.ts'

/** What the entry of an end says of the streams. */
export type RecordedStreams = NonNullable<(LineageEvent & { type: 'execution-end' })['streams']>
type StreamDigest = NonNullable<RecordedStreams['stdout']>

/**
 * How long an end waits for what its processes had written and nobody has read yet. They are dead, so the pipe has an end, unless one of
 * them had given its descriptor away.
 */
const SETTLE_MS = 1000
/** Most bytes that are read then: a pipe holds a megabyte (pipe(7), /proc/sys/fs/pipe-max-size), and a stream of Node's some more. */
const MAX_REST = 2 << 20

/** Hashes what goes through the standard streams of one execution. Off unless it was asked for. */
export class StreamDigests {
  readonly #outputs = new Map<'stdout' | 'stderr', HashedOutput>()
  readonly #caller: AbortSignal
  #stdin: HashedInput | null = null

  /** @param caller aborted when whoever gives the input is gone */
  constructor(caller: AbortSignal) {
    this.#caller = caller
  }

  /** For the input: told of each piece that is put into the workload's pipe. */
  input(): HashedInput {
    this.#stdin = new HashedInput()
    return this.#stdin
  }

  /** The pieces of an output, hashed on their way. */
  output(name: 'stdout' | 'stderr', readable: Readable): AsyncIterable<Buffer> {
    const hashed = new HashedOutput(readable)
    this.#outputs.set(name, hashed)
    return hashed
  }

  /**
   * What went through, once all processes are dead. What is still in the pipes is read now, whether its caller takes it or not: a caller that
   * reads slowly must not hold up the entry of an end.
   */
  async settle(): Promise<RecordedStreams> {
    const [stdout = null, stderr = null] = await Promise.all([
      this.#outputs.get('stdout')?.settle(),
      this.#outputs.get('stderr')?.settle(),
    ])
    // An input that broke off with its caller looks like one that was ended.
    const stdin = this.#caller.aborted ? null : (this.#stdin?.digest() ?? null)
    return { stdin, stdout, stderr }
  }
}

/** Hashes what is put into a workload's standard input. */
export class HashedInput {
  readonly #hash = createHash('sha256')
  #bytes = 0
  #whole = false

  take(piece: Buffer): void {
    this.#hash.update(piece)
    this.#bytes += piece.length
  }

  /** The caller has ended it, and all of it is in the workload's pipe. */
  ended(): void {
    this.#whole = true
  }

  digest(): StreamDigest | null {
    return this.#whole ? digestOf(this.#hash, this.#bytes) : null
  }
}

/**
 * Gives on what it reads, no faster than it is taken; {@link settle} reads the rest ahead of whoever takes it. What the workload wrote after it
 * was let go of has no digest.
 */
class HashedOutput implements AsyncIterable<Buffer> {
  readonly #readable: Readable
  readonly #hash = createHash('sha256')
  readonly #queue: Buffer[] = []
  readonly #over: Promise<void>
  #bytes = 0
  #rest = 0
  #state: 'open' | 'ended' | 'broken' = 'open'
  #ahead = false
  #wake: () => void = () => undefined

  constructor(readable: Readable) {
    this.#readable = readable
    readable.on('data', (piece: Buffer) => this.#take(piece)).pause()
    this.#over = new Promise(resolve => {
      const end = (state: 'ended' | 'broken') => {
        if (this.#state === 'open') this.#state = state
        this.#wake()
        resolve()
      }
      readable.once('end', () => end('ended')).once('close', () => end('broken'))
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        const piece = this.#queue.shift()
        if (piece !== undefined) yield piece
        else if (this.#state !== 'open') return
        else await this.#more()
      }
    } finally {
      this.#readable.destroy()
    }
  }

  async settle(): Promise<StreamDigest | null> {
    this.#ahead = true
    this.#readable.resume()
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, SETTLE_MS)
    await Promise.race([this.#over, late.promise])
    clearTimeout(timer)
    this.#ahead = false
    return this.#state === 'ended' ? digestOf(this.#hash, this.#bytes) : null
  }

  #more(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
      this.#readable.resume()
    })
  }

  #take(piece: Buffer): void {
    this.#hash.update(piece)
    this.#bytes += piece.length
    this.#queue.push(piece)
    if (this.#ahead) this.#rest += piece.length
    if (!this.#ahead || this.#rest > MAX_REST) this.#readable.pause()
    this.#wake()
  }
}

function digestOf(hash: Hash, bytes: number): StreamDigest {
  return { sha256: hash.copy().digest('hex'), bytes }
}
