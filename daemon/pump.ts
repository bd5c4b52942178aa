import type { Readable, Writable } from 'node:stream'
import type { ExecuteStreams } from './core.ts'
import type { Released } from './launcher/types.ts'
import type { HashedInput } from './stream-digests.ts'

/** Gives a caller's input to a workload, no faster than it takes it. Ends with the caller's half-close, or when it is handed over. */
export class Input {
  readonly #streams: Pick<ExecuteStreams, 'stdin' | 'stdinTaken' | 'stdinClosed'>
  readonly #stdin: Writable | null
  readonly #hashed: HashedInput | null
  readonly #before: number
  #taken = 0
  #state: 'open' | 'broken' | 'handed-over'

  /**
   * @param hashed told of what is put into the pipe, if that is asked for
   * @param before bytes that earlier runs of the daemon have put there
   */
  constructor(
    streams: Pick<ExecuteStreams, 'stdin' | 'stdinTaken' | 'stdinClosed'>,
    stdin: Writable | null,
    hashed: HashedInput | null = null,
    before = 0,
  ) {
    this.#streams = streams
    this.#stdin = stdin
    this.#hashed = hashed
    this.#before = before
    this.#state = stdin === null ? 'broken' : 'open'
    stdin?.on('error', () => this.#close())
  }

  /** Resolves at the end of the input. To be called once. */
  async pump(): Promise<void> {
    const stdin = this.#stdin
    try {
      for await (const piece of this.#streams.stdin) {
        if (this.#over()) return
        this.#taken += piece.length
        if (this.#state === 'broken' || stdin === null) continue
        this.#hashed?.take(piece)
        if (!stdin.write(piece)) await writable(stdin)
        if (this.#over()) return
        if (this.#state === 'open' && !stdin.destroyed) this.#streams.stdinTaken(piece.length)
      }
      stdin?.once('finish', () => this.#hashed?.ended())
    } catch {
      // The call is over; its end is handled where the execution is.
    } finally {
      if (!this.#over()) stdin?.end()
    }
  }

  /**
   * Takes nothing more; what was taken and is not in the pipe is dropped here, for the caller to send again. To be called in the turn in which the
   * streams were released.
   *
   * @param written what that said of the input
   * @returns bytes in the pipe since the workload started. Input that nobody reads counts as if it were there: nobody is to send it again
   */
  handOver(written: Released['stdinBytes']): number {
    const broken = this.#state === 'broken'
    this.#state = 'handed-over'
    return this.#before + (broken ? this.#taken : written)
  }

  /** Asked at each turn: it changes while the caller, or the pipe, is waited for. */
  #over(): boolean {
    return this.#state === 'handed-over'
  }

  /** EPIPE: the workload does not read any more, which is its right. */
  #close(): void {
    if (this.#state !== 'open') return
    this.#state = 'broken'
    this.#streams.stdinClosed()
  }
}

function writable(stream: Writable): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      stream.off('drain', done).off('close', done).off('error', done)
      resolve()
    }
    stream.on('drain', done).on('close', done).on('error', done)
  })
}

/** Carries a workload's output to the caller. What the caller does not read is not read from the workload either. */
export class Output {
  readonly #streams: Pick<ExecuteStreams, 'output'>
  readonly #sources: { readonly name: 'stdout' | 'stderr'; readonly readable: Readable }[]
  readonly #pieces: (name: 'stdout' | 'stderr', readable: Readable) => AsyncIterable<Buffer>
  readonly #onLimit: () => void
  readonly #onOutput: (bytes: number) => void
  readonly #keep: (stream: 'stdout' | 'stderr', bytes: Buffer) => void
  readonly #rest: Record<'stdout' | 'stderr', readonly Buffer[]> = { stdout: [], stderr: [] }
  #left: number
  #given: number
  /** With what is being given on. */
  #begun: number
  #limited = false
  #pumps: Promise<unknown> | null = null

  /**
   * @param limit most bytes of both streams together
   * @param onLimit called once when there are more
   * @param keep gets everything that is given on, before it is; never waits
   * @param pieces reads what a pipe has; by default as it is
   * @param before bytes that earlier runs of the daemon have given on
   * @param onOutput told of how many there are with what is about to be given on
   */
  constructor(
    streams: Pick<ExecuteStreams, 'output'>,
    from: { readonly stdout: Readable | null; readonly stderr: Readable | null },
    limit: number,
    onLimit: () => void,
    keep: (stream: 'stdout' | 'stderr', bytes: Buffer) => void = () => undefined,
    pieces = (_: 'stdout' | 'stderr', readable: Readable): AsyncIterable<Buffer> => readable,
    before = 0,
    onOutput: (bytes: number) => void = () => undefined,
  ) {
    this.#streams = streams
    this.#pieces = pieces
    this.#keep = keep
    this.#onOutput = onOutput
    this.#onLimit = onLimit
    this.#left = limit - before
    this.#given = before
    this.#begun = before
    this.#sources = [
      ...(from.stdout === null ? [] : [{ name: 'stdout' as const, readable: from.stdout }]),
      ...(from.stderr === null ? [] : [{ name: 'stderr' as const, readable: from.stderr }]),
    ]
    for (const { readable } of this.#sources) readable.on('error', () => readable.destroy())
  }

  begin(): void {
    this.#pumps ??= Promise.all(this.#sources.map(({ name, readable }) => this.#pump(name, readable)))
  }

  /** Lets go of the pipes without reading them. */
  discard(): void {
    for (const { readable } of this.#sources) readable.destroy()
  }

  /**
   * Resolves when all output has been given on. Everything that could write is dead by then, so the pipes end; a caller that
   * is gone takes the rest at once, and one that reads slowly gets all of it.
   */
  async finished(): Promise<void> {
    await this.#pumps
  }

  /**
   * Gives on what was read, and no more. To be called in the turn in which the streams were released.
   *
   * @param rest what that said of the outputs
   * @returns once all of it has been given on: bytes of both since the workload started; null if there were more than the limit, for which it has to end
   */
  async handOver(rest: Pick<Released, 'stdout' | 'stderr'>): Promise<number | null> {
    Object.assign(this.#rest, { stdout: rest.stdout, stderr: rest.stderr })
    // A terminal has a stream over that which was let go of.
    this.discard()
    this.begin()
    await this.#pumps
    return this.#limited ? null : this.#given
  }

  async #pump(name: 'stdout' | 'stderr', readable: Readable): Promise<void> {
    try {
      for await (const piece of this.#pieces(name, readable)) if (await this.#give(name, piece)) return
    } catch {
      // A pipe that breaks ends like one that closes; how the execution ended is said elsewhere.
    }
    for (const piece of this.#rest[name]) if (await this.#give(name, piece)) return
  }

  /** Whether that was more than the limit. */
  async #give(name: 'stdout' | 'stderr', piece: Buffer): Promise<boolean> {
    const fits = piece.subarray(0, Math.max(0, this.#left))
    this.#left -= piece.length
    const over = this.#left < 0
    if (over && !this.#limited) {
      this.#limited = true
      this.#onLimit()
    }
    if (fits.length > 0) {
      this.#begun += fits.length
      this.#onOutput(this.#begun)
      this.#keep(name, fits)
      await this.#streams.output(name, fits)
      this.#given += fits.length
    }
    return over
  }
}
