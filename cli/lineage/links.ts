import type { LineageEvent } from '../../lineage/index.ts'
import { permitOf } from './execution.ts'
import { type Picked, readEntry } from './filter.ts'
import type { LogSource } from './source.ts'

/** What an entry stands on, by the name that says how. */
export interface Link {
  readonly as: 'policy' | 'trust roots' | 'appraisal' | 'parent' | 'decision' | 'renewal'
  readonly index: number
}

/** The entries that an entry names. */
export function linksOf(index: number, event: LineageEvent): Link[] {
  const links: [Link['as'], number | null][] = []
  if (event.type === 'decision' || event.type === 'renewal') {
    const { policy, trustRoots, appraisal, parent } = event.links
    links.push(['parent', parent], ['trust roots', trustRoots], ['policy', policy], ['appraisal', appraisal])
  } else {
    links.push(['decision', permitOf(index, event)])
    if ('renewal' in event) links.push(['renewal', event.renewal])
  }
  return links.flatMap(([as, at]) => (at === null ? [] : [{ as, index: at }]))
}

/** A link and the entry that it leads to; null if that may not be seen. */
export interface FollowedLink extends Link {
  readonly event: LineageEvent | null
}

export async function followLinks(source: LogSource, links: readonly Link[]): Promise<FollowedLink[]> {
  const followed: FollowedLink[] = []
  for (const link of links)
    followed.push({ ...link, event: (await entryAt(source, link.index))?.event ?? null })
  return followed
}

/** One entry; null if there is none, or it may not be seen. */
export async function entryAt(source: LogSource, index: number): Promise<Picked | null> {
  const { size } = await source.range({ sinceMs: null, untilMs: null })
  if (index >= size) return null
  for await (const raw of source.read(index, index + 1)) return readEntry(raw)
  return null
}
