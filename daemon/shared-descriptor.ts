import { closeSync } from 'node:fs'

/** A descriptor that is closed once its owner has let it go and nobody uses it any more: a number that is closed may be another file's at once. */
export class SharedDescriptor {
  readonly #fd: number
  #users = 0
  #over = false

  /** Owns the descriptor from here. */
  constructor(fd: number) {
    this.#fd = fd
  }

  /** Keeps it open until the work is done. Null, and nothing done, when its owner has let it go. */
  async use<T>(work: (fd: number) => Promise<T>): Promise<T | null> {
    if (this.#over) return null
    this.#users++
    try {
      return await work(this.#fd)
    } finally {
      this.#users--
      this.#settle()
    }
  }

  /** The owner lets it go. To be called once. */
  close(): void {
    this.#over = true
    this.#settle()
  }

  #settle(): void {
    if (this.#over && this.#users === 0) closeSync(this.#fd)
  }
}
