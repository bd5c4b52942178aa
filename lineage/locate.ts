import { TILE_WIDTH } from './c2sp/tile-path.ts'

/** Bundles that are looked at of a stretch of the log, evenly spread over it. */
const SAMPLES = 512

/** Instants in milliseconds since the epoch; null: no limit. */
export interface TimeSpan {
  readonly sinceMs: number | null
  readonly untilMs: number | null
}

/**
 * Finds where a span of time begins and ends in a log: from the first entry of the time `sinceMs` or later to, not including, that after the last
 * entry of the time `untilMs` or earlier. What stands between is in the span, whatever its own time: setting the wall clock hides nothing.
 *
 * Entries stand in the order of their times unless the clock was set, so not all are read: the first entry of {@link SAMPLES} bundles, then so
 * many of the stretch between two of them in which the time is passed, down to one bundle. A clock that was ahead, or behind, for a stretch that
 * lies between two samples on the far side of the limit is not seen, and none of its entries is missed but those that claim a time that was not.
 *
 * @param size entries of the log
 */
export async function locate(
  { sinceMs, untilMs }: TimeSpan,
  size: number,
  times: EntryTimes,
): Promise<{ from: number; to: number }> {
  const from = sinceMs === null ? 0 : await firstWhere(size, times, ms => ms >= sinceMs)
  const to = untilMs === null ? size : await afterLastWhere(size, times, ms => ms <= untilMs)
  return { from, to: Math.max(from, to) }
}

/** Times of entries, in milliseconds since the epoch; NaN, of what has none, passes no limit. */
export interface EntryTimes {
  /** Of the first entry of a bundle. */
  first(bundle: number): Promise<number>
  /** Of all entries of a bundle. */
  all(bundle: number): Promise<readonly number[]>
}

type Holds = (ms: number) => boolean

/** The first entry, as far as samples show, that something holds of; `size` if there is none. */
async function firstWhere(size: number, times: EntryTimes, holds: Holds): Promise<number> {
  // It does not hold of the first entry of `below`, and does of that of `above`.
  let below = -1
  let above = Math.ceil(size / TILE_WIDTH)
  while (above - below > 1) {
    for (const bundle of samples(below, above)) {
      if (holds(await times.first(bundle))) {
        above = bundle
        break
      }
      below = bundle
    }
  }
  const within = below < 0 ? -1 : (await times.all(below)).findIndex(holds)
  return within < 0 ? Math.min(size, above * TILE_WIDTH) : below * TILE_WIDTH + within
}

/** The position after the last entry, as far as samples show, that something holds of; 0 if there is none. */
async function afterLastWhere(size: number, times: EntryTimes, holds: Holds): Promise<number> {
  // It holds of the first entry of `below`, and not of that of `above`.
  let below = -1
  let above = Math.ceil(size / TILE_WIDTH)
  while (above - below > 1) {
    for (const bundle of samples(below, above).toReversed()) {
      if (holds(await times.first(bundle))) {
        below = bundle
        break
      }
      above = bundle
    }
  }
  return below < 0 ? 0 : below * TILE_WIDTH + (await times.all(below)).findLastIndex(holds) + 1
}

/** Bundles between two, evenly spread, the nearest to both among them. */
function samples(below: number, above: number): number[] {
  const count = above - below - 1
  if (count <= SAMPLES) return Array.from({ length: count }, (_, i) => below + 1 + i)
  return Array.from({ length: SAMPLES }, (_, i) => below + 1 + Math.floor((i * (count - 1)) / (SAMPLES - 1)))
}
