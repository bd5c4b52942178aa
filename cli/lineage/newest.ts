import { backwards } from './execution.ts'
import type { Picked } from './filter.ts'
import type { Opened } from './open-selection.ts'

/**
 * The newest `count` entries of a range that a filter picks, in the log's order. Reads from the end, no further than it has to, unless the filter
 * has to see the entries in their order.
 */
export async function newest({ source, range, filter }: Opened, count: number): Promise<Picked[]> {
  const { from, to } = range
  const found: Picked[] = []
  if (filter.inOrder) {
    for await (const raw of source.read(from, to, filter.types)) {
      const picked = await filter.pick(raw)
      if (picked !== null) found.push(picked)
      if (found.length > count) found.shift()
    }
    return found
  }
  for await (const entries of count === 0 ? [] : backwards(source, from, to, filter.types)) {
    for (const raw of entries) {
      const picked = await filter.pick(raw)
      if (picked !== null) found.push(picked)
      if (found.length === count) return found.reverse()
    }
  }
  return found.reverse()
}
