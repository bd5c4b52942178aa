import { once } from 'node:events'
import type { Writable } from 'node:stream'

const gone = new AbortController()
const goneOf = { stdout: new AbortController(), stderr: new AbortController() }

/** Aborts when nobody reads standard output or standard error any longer: what would go on for ever ends (`… | head`). */
export const readerGone: AbortSignal = gone.signal

/** The same of each stream. */
export const readersGone: Readonly<Record<'stdout' | 'stderr', AbortSignal>> = {
  stdout: goneOf.stdout.signal,
  stderr: goneOf.stderr.signal,
}

const unread = new Set<Writable>()

/**
 * Watches standard output and standard error. A reader that went away is no error: what follows is written nowhere, and the
 * command comes to its own exit status.
 *
 * @param onFault is called for whatever else keeps a stream from being written, for example a full disk
 */
export function watchStreams(onFault: (name: string, error: Error) => void): void {
  const streams = [
    { name: 'standard output', stream: process.stdout, over: goneOf.stdout },
    { name: 'standard error', stream: process.stderr, over: goneOf.stderr },
  ]
  for (const { name, stream, over } of streams) {
    stream.on('error', error => {
      if (unread.has(stream)) return
      if (!('code' in error) || error.code !== 'EPIPE') return onFault(name, error)
      unread.add(stream)
      over.abort()
      gone.abort()
    })
  }
}

/** Writes bytes or text; waits when the reader is slower, and not at all when there is none. */
export async function writeTo(stream: Writable, chunk: Uint8Array | string): Promise<void> {
  if (unread.has(stream) || stream.write(chunk)) return
  // Ends with an error too: it was seen above.
  await once(stream, 'drain', {
    signal: stream === process.stderr ? readersGone.stderr : readersGone.stdout,
  }).catch(() => {})
}
