import { Readable } from 'node:stream'

/** Bytes of one stream that are held for a reader who reads another one first: as much as a pipe takes (pipe(7)). */
const HELD_BYTES = 64 * 1024

/**
 * Standard output or standard error of a governed process. What came before a failure is read first, then the failure is
 * thrown at whoever reads: output that was cut never looks whole. A stream that nobody listens to raises nothing.
 */
export class OutputStream extends Readable {
  readonly #queue: Buffer[] = []
  #held = 0
  #wanted = false
  #unbounded = false
  #over: { readonly error: Error | null } | null = null
  #makeRoom: () => void = () => {}

  constructor() {
    // Nothing is held beyond the queue: destroying a stream drops its own buffer, and with it what came before a failure.
    super({ highWaterMark: 0 })
    this.on('error', () => {})
  }

  /** Takes bytes; resolves when more may be brought. Once the reader is gone they are dropped. */
  accept(bytes: Buffer): Promise<void> {
    if (this.destroyed) return Promise.resolve()
    this.#queue.push(bytes)
    this.#held += bytes.length
    this.#flow()
    if (this.#unbounded || this.#held <= HELD_BYTES) return Promise.resolve()
    return new Promise(resolve => {
      this.#makeRoom = resolve
    })
  }

  /** From now on takes whatever still comes without waiting for the reader. */
  acceptAll(): void {
    this.#unbounded = true
    this.#makeRoom()
  }

  /** There is no more: the end, or the failure that cut it. */
  finish(error: Error | null): void {
    this.#over ??= { error }
    this.#flow()
  }

  override _read(): void {
    this.#wanted = true
    this.#flow()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#queue.length = 0
    this.#makeRoom()
    callback(error)
  }

  #flow(): void {
    while (this.#wanted && !this.destroyed) {
      const bytes = this.#queue.shift()
      if (bytes !== undefined) {
        this.#held -= bytes.length
        this.#wanted = false
        if (this.#held <= HELD_BYTES) this.#makeRoom()
        if (this.push(bytes)) this.#wanted = true
        continue
      }
      if (this.#over === null) return
      this.#wanted = false
      if (this.#over.error === null) this.push(null)
      else this.destroy(this.#over.error)
    }
  }
}
