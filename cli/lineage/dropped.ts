import { parseEvent } from '../../lineage/index.ts'
import type { LogSource } from './source.ts'

/**
 * The entry by which a blob that an entry names was dropped; null if none says so, or none may be seen.
 *
 * @param index of an entry that names it
 */
export async function droppedIn(source: LogSource, index: number, digest: string): Promise<number | null> {
  const { size } = await source.range({ sinceMs: null, untilMs: null })
  for await (const raw of source.read(index + 1, size, new Set(['evidence-dropped']))) {
    if (!raw.bytes.includes(digest)) continue
    const event = parseEvent(raw.bytes)
    if (event.type === 'evidence-dropped' && index < event.before && event.digests.includes(digest))
      return raw.index
  }
  return null
}
