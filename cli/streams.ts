import { once } from 'node:events'
import type { Writable } from 'node:stream'

const gone = new AbortController()

/** Aborts when nobody reads standard output or standard error any longer: what would go on for ever ends (`… | head`). */
export const readerGone: AbortSignal = gone.signal

const unread = new Set<Writable>()

/**
 * Watches standard output and standard error. A reader that went away is no error: what follows is written nowhere, and the
 * command comes to its own exit status.
 *
 * @param onFault is called for whatever else keeps a stream from being written, for example a full disk
 */
export function watchStreams(onFault: (name: string, error: Error) => void): void {
  const streams = { 'standard output': process.stdout, 'standard error': process.stderr }
  for (const [name, stream] of Object.entries(streams)) {
    stream.on('error', error => {
      if (unread.has(stream)) return
      if (!('code' in error) || error.code !== 'EPIPE') return onFault(name, error)
      unread.add(stream)
      gone.abort()
    })
  }
}

/** Writes bytes or text; waits when the reader is slower, and not at all when there is none. */
export async function writeTo(stream: Writable, chunk: Uint8Array | string): Promise<void> {
  if (unread.has(stream) || stream.write(chunk)) return
  // Ends with an error too: it was seen above.
  await once(stream, 'drain', { signal: readerGone }).catch(() => {})
}
