import { backoff, isLost, pause, type RetryOptions } from './retry.ts'

/**
 * A stream that outlives its connection. Gives what `open` gives; when the connection is lost, or the daemon ends the stream as it
 * stops, gives null once, waits, and opens it again, for as long as the caller reads.
 *
 * @param last whether this message ends the stream for good
 * @throws CallError for what is not the connection's failure, a cancellation for one
 */
export async function* watched<Output>(
  open: () => AsyncIterable<Output>,
  last: (message: Output) => boolean,
  retry: RetryOptions,
  signal?: AbortSignal,
): AsyncGenerator<Output | null, void, undefined> {
  for (let failures = 0; ; ) {
    try {
      for await (const message of open()) {
        failures = 0
        yield message
        if (last(message)) return
      }
    } catch (error) {
      if (!isLost(error)) throw error
    }
    if (failures === 0) yield null
    await pause(backoff(++failures, retry), signal)
  }
}

/**
 * A stream with an end that goes on where it was cut, a limited number of times without progress.
 *
 * @param open is told what came last; null: nothing yet
 * @throws CallError
 */
export async function* continued<Output>(
  open: (last: Output | null) => AsyncIterable<Output>,
  retry: RetryOptions,
  signal?: AbortSignal,
): AsyncGenerator<Output, void, undefined> {
  let last: Output | null = null
  for (let failures = 0; ; ) {
    try {
      for await (const message of open(last)) {
        failures = 0
        last = message
        yield message
      }
      return
    } catch (error) {
      if (!isLost(error) || ++failures >= retry.attempts) throw error
      await pause(backoff(failures, retry), signal)
    }
  }
}
