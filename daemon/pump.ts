import type { Readable, Writable } from 'node:stream'
import type { ExecuteStreams } from './core.ts'
import type { HashedInput } from './stream-digests.ts'

/**
 * Gives a caller's input to a workload, no faster than it takes it. Ends with the caller's half-close.
 *
 * @param hashed told of what is put into the pipe, if that is asked for
 */
export async function pumpInput(
  { stdin: input, stdinTaken, stdinClosed }: Pick<ExecuteStreams, 'stdin' | 'stdinTaken' | 'stdinClosed'>,
  stdin: Writable | null,
  hashed: HashedInput | null = null,
): Promise<void> {
  let broken = stdin === null
  const close = () => {
    // EPIPE: the workload does not read any more, which is its right.
    if (!broken) stdinClosed()
    broken = true
  }
  stdin?.on('error', close)
  try {
    for await (const piece of input) {
      if (broken || stdin === null) continue
      hashed?.take(piece)
      if (!stdin.write(piece)) await writable(stdin)
      if (!broken && !stdin.destroyed) stdinTaken(piece.length)
    }
    stdin?.once('finish', () => hashed?.ended())
  } catch {
    // The call is over; its end is handled where the execution is.
  } finally {
    stdin?.end()
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
  readonly #streams: ExecuteStreams
  readonly #sources: { readonly name: 'stdout' | 'stderr'; readonly readable: Readable }[]
  readonly #pieces: (name: 'stdout' | 'stderr', readable: Readable) => AsyncIterable<Buffer>
  readonly #onLimit: () => void
  readonly #keep: (stream: 'stdout' | 'stderr', bytes: Buffer) => void
  #left: number
  #limited = false
  #pumps: Promise<void> = Promise.resolve()

  /**
   * @param limit most bytes of both streams together
   * @param onLimit called once when there are more
   * @param keep gets everything that is given on, before it is; never waits
   * @param pieces reads what a pipe has; by default as it is
   */
  constructor(
    streams: ExecuteStreams,
    from: { readonly stdout: Readable | null; readonly stderr: Readable | null },
    limit: number,
    onLimit: () => void,
    keep: (stream: 'stdout' | 'stderr', bytes: Buffer) => void = () => undefined,
    pieces = (_: 'stdout' | 'stderr', readable: Readable): AsyncIterable<Buffer> => readable,
  ) {
    this.#streams = streams
    this.#pieces = pieces
    this.#keep = keep
    this.#onLimit = onLimit
    this.#left = limit
    this.#sources = [
      ...(from.stdout === null ? [] : [{ name: 'stdout' as const, readable: from.stdout }]),
      ...(from.stderr === null ? [] : [{ name: 'stderr' as const, readable: from.stderr }]),
    ]
    for (const { readable } of this.#sources) readable.on('error', () => readable.destroy())
  }

  begin(): void {
    this.#pumps = Promise.all(this.#sources.map(source => this.#pump(source.name, source.readable))).then(
      () => undefined,
    )
  }

  /** Lets go of the pipes without reading them. */
  discard(): void {
    for (const { readable } of this.#sources) readable.destroy()
  }

  /**
   * Resolves when all output has been given on. Everything that could write is dead by then, so the pipes end; a caller that
   * is gone takes the rest at once, and one that reads slowly gets all of it.
   */
  finished(): Promise<void> {
    return this.#pumps
  }

  async #pump(name: 'stdout' | 'stderr', readable: Readable): Promise<void> {
    try {
      for await (const piece of this.#pieces(name, readable)) {
        const fits = piece.subarray(0, Math.max(0, this.#left))
        this.#left -= piece.length
        const over = this.#left < 0
        if (over && !this.#limited) {
          this.#limited = true
          this.#onLimit()
        }
        if (fits.length > 0) this.#keep(name, fits)
        if (fits.length > 0) await this.#streams.output(name, fits)
        if (over) return
      }
    } catch {
      // A pipe that breaks ends like one that closes; how the execution ended is said elsewhere.
    }
  }
}
