import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeBundle } from '../../lineage/c2sp/entry-bundle.ts'
import { tilePath, tilesOf } from '../../lineage/c2sp/tile-path.ts'
import { type EventType, type LineageEvent, parseCheckpoint, parseEvent } from '../../lineage/index.ts'

/** Where a bundle has the log (docs/cli.md, `writ lineage export`). */
const LOG = 'lineage'

/** The newest checkpoint in a bundle. */
export function checkpointOf(bundle: string): string {
  return join(bundle, LOG, 'checkpoint')
}

/** The entries of an exported lineage, in order. Whoever asks has verified the bundle. */
export function readEntries(bundle: string): LineageEvent[] {
  const { size } = parseCheckpoint(readFileSync(checkpointOf(bundle)))
  const events: LineageEvent[] = []
  for (const name of tilesOf(size))
    if (name.level === 'entries')
      for (const entry of decodeBundle(readFileSync(join(bundle, LOG, tilePath(name))), name.width))
        events.push(parseEvent(entry))
  return events
}

/** Those of one type. */
export function ofType<T extends EventType>(
  events: readonly LineageEvent[],
  type: T,
): Extract<LineageEvent, { type: T }>[] {
  return events.filter((event): event is Extract<LineageEvent, { type: T }> => event.type === type)
}

/** The codes of all reasons. */
export function codes(reasons: readonly { readonly code: string }[]): string[] {
  return reasons.map(({ code }) => code)
}

/** Ids of executions that have a START and no END. */
export function unended(events: readonly LineageEvent[]): string[] {
  const ended = new Set(ofType(events, 'execution-end').map(({ executionId }) => executionId))
  return ofType(events, 'execution-start')
    .map(({ executionId }) => executionId)
    .filter(id => !ended.has(id))
}
