import { closeSync } from 'node:fs'

/** A descriptor that belongs to nobody yet: closed unless somebody takes it, and never twice, when its number may be another's. */
export class HeldDescriptor {
  #fd: number | null

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Hands it over, once. Null: it was taken or closed before. */
  take(): number | null {
    const fd = this.#fd
    this.#fd = null
    return fd
  }

  destroy(): void {
    const fd = this.take()
    if (fd !== null) closeSync(fd)
  }
}
