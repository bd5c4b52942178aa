import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

interface WithHandle {
  readonly _handle?: { readonly bytesWritten: number; readonly writeQueueSize: number } | null
}

/**
 * Bytes that the kernel has taken, of all that was written to a stream of node:net; what waits in it or below it is none of them. Of one that is
 * closed: all that was given to it.
 *
 * The handle is undocumented. What Node counts itself has in it what waits, and a piece that the pipe took half of.
 */
export function writtenTo(stream: Socket | null): number {
  if (stream === null) return 0
  const handle = (stream as WithHandle)._handle
  return handle ? handle.bytesWritten - handle.writeQueueSize : stream.bytesWritten
}

/** Takes what a stream has read and nobody has taken yet. Nothing comes between, in the turn of the event loop in which this is called. */
export function heldBy(stream: Readable | null): Buffer[] {
  const held: Buffer[] = []
  if (stream === null || stream.destroyed) return held
  for (let piece = stream.read(); piece !== null; piece = stream.read()) held.push(piece)
  return held
}
