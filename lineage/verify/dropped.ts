import { blobsOf, type LineageEvent } from '../events/index.ts'
import { lastingBlobs } from '../evidence-class.ts'

/** Blobs that the log itself says are not kept any longer. */
export interface DroppedEvidence {
  /** The entry that says so of a blob that no later entry names again; undefined if there is none. */
  entryOf(digest: string): number | undefined
}

/**
 * Gathers which blobs the events name, and which of them the log says were dropped. A blob may be missing only if an entry lists it and every entry
 * that names it lies before the point that the listing speaks of. What is never dropped, no entry may list.
 */
export class NamedBlobs implements DroppedEvidence {
  /** Every blob, with the newest entry that names it. */
  readonly newest = new Map<string, number>()
  /** What is wrong with a listing; undefined if nothing is. */
  fault: string | undefined
  readonly #lasting = new Set<string>()
  readonly #listed = new Map<string, { readonly entry: number; readonly before: number }>()

  take(event: LineageEvent, index: number): void {
    if (event.type === 'evidence-dropped') this.#list(event, index)
    for (const digest of blobsOf(event)) this.newest.set(digest, index)
    for (const digest of lastingBlobs(event)) this.#lasting.add(digest)
  }

  entryOf(digest: string): number | undefined {
    const listed = this.#listed.get(digest)
    return listed !== undefined && (this.newest.get(digest) ?? -1) < listed.before ? listed.entry : undefined
  }

  #list({ before, digests }: LineageEvent & { type: 'evidence-dropped' }, entry: number): void {
    if (before > entry) this.fault ??= `entry ${entry} drops evidence of entries that come after it`
    for (const digest of digests) {
      // Whoever wants to be rid of what the operator signed cannot have it dropped.
      if (this.#lasting.has(digest)) this.fault ??= `entry ${entry} drops ${digest}, which is never dropped`
      this.#listed.set(digest, { entry, before })
    }
  }
}
