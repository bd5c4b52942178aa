import { type LineageEvent, parseEvent } from '../lineage/index.ts'
import type { Ownership } from './core.ts'
import type { History } from './history/history.ts'

/** Whose an entry of the lineage is; null if nobody's in particular. */
export function entryOwner(bytes: Buffer, history: History): Ownership | null {
  const event: LineageEvent = parseEvent(bytes)
  switch (event.type) {
    case 'decision': {
      const known = event.executionId === null ? undefined : history.ownerOf(event.executionId)
      return known ?? history.ownerBy({ callerUid: event.caller.uid, parentExecutionId: event.caller.parent })
    }
    case 'denials-counted':
      return { callerUid: event.uid, ancestors: [] }
    case 'execution-start':
    case 'execution-end':
    case 'freeze':
    case 'renewal':
    case 'thaw':
    case 'kill-sent':
      return history.ownerOf(event.executionId) ?? null
    default:
      return null
  }
}
