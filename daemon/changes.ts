/**
 * The newest state of each of a set of things, for any number of watchers. A watcher that reads slowly misses states between,
 * never the last one, and holds at most one state per key: there is no queue that could grow.
 */
export class Changes<Key, Value> {
  readonly #watchers = new Set<(key: Key, value: Value) => void>()

  /** Gives every watcher the new state of `key`. Never waits. */
  publish(key: Key, value: Value): void {
    for (const notify of this.#watchers) notify(key, value)
  }

  /** The states in `initial`, then every change; ends when `signal` aborts. Changes count from this call on, not from the first read. */
  watch(initial: Iterable<readonly [Key, Value]>, signal: AbortSignal): AsyncIterable<Value> {
    const pending = new Map<Key, Value>(initial)
    let wake: () => void = () => {}
    const notify = (key: Key, value: Value) => {
      // Deleted first, so that the newest change of all is the last to be read.
      pending.delete(key)
      pending.set(key, value)
      wake()
    }
    const stop = () => {
      this.#watchers.delete(notify)
      wake()
    }
    if (!signal.aborted) this.#watchers.add(notify)
    signal.addEventListener('abort', stop, { once: true })
    return (async function* () {
      try {
        while (!signal.aborted) {
          const next = pending.entries().next()
          if (next.done) {
            await new Promise<void>(resolve => {
              wake = resolve
            })
            continue
          }
          pending.delete(next.value[0])
          yield next.value[1]
        }
      } finally {
        signal.removeEventListener('abort', stop)
        stop()
      }
    })()
  }
}
