import { blobsOf, type LineageEvent } from './events/index.ts'

/**
 * What becomes of an event's blobs with time.
 *
 * - `passing`: what shows again that something was judged rightly. It may be dropped when it is old; that it was judged so, and on which bytes, stays in
 *   the log.
 * - `lasting`: what the operator signed, what forbids, and what was configured. All later decisions rest on it and it is small, so it is never dropped.
 *
 * Every kind that is not named here is lasting.
 */
const PASSING: ReadonlySet<LineageEvent['type']> = new Set<LineageEvent['type']>([
  'appraisal',
  'decision',
  'renewal',
  'checkpoint',
  'snapshot',
])

/** Digests of the blobs that an event refers to and that may be dropped with it, unless something else names them. */
export function passingBlobs(event: LineageEvent): string[] {
  return PASSING.has(event.type) ? blobsOf(event) : []
}

/** Digests of the blobs that an event refers to and that are never dropped. */
export function lastingBlobs(event: LineageEvent): string[] {
  return PASSING.has(event.type) ? [] : blobsOf(event)
}
