/** Readers that have read everything, each until there is more or its reader is gone. */
export class Wakeups {
  readonly #waiting = new Set<() => void>()

  /** Wakes all. Never waits. */
  wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }

  /** Resolves at the next {@link wake}, or when `signal` aborts; it must not have done so before. */
  more(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }
}
