import { setTimeout as pause } from 'node:timers/promises'
import type { LineageEvent } from '../events/index.ts'
import type { Lineage } from '../lineage.ts'

/** Kinds that say nothing of blobs or of what runs. They are passed over unread. */
const PASSED_OVER: ReadonlySet<string> = new Set<LineageEvent['type']>([
  'daemon-stop',
  'recovery',
  'trust-transition',
  'clock-untrusted',
  'denials-counted',
  'freeze',
  'thaw',
  'hand-over',
  'adoption',
  'kill-sent',
  'counter',
])

const TYPE = Buffer.from('"type":"')

/** How a log is read beside everything else that the process does. */
export interface Pace {
  /** Milliseconds of rest after each thousand entries, so that requests come in between. */
  readonly pauseMs: number
  /** Ends the reading: its reason is thrown. */
  readonly stop: AbortSignal
}

/** One entry that was read. */
export interface ScannedEntry {
  readonly index: number
  readonly event: LineageEvent
}

/**
 * Reads the log's entries from `from` up to, not including, `to`, save for the kinds that concern no blob. What this process or one before it wrote is not checked again: it was
 * when it was written, and the tree is over it.
 */
export async function* scanLog(
  lineage: Pick<Lineage, 'readEntries'>,
  from: number,
  to: number,
  { pauseMs, stop }: Pace,
): AsyncGenerator<ScannedEntry> {
  for (let at = from; at < to; ) {
    stop.throwIfAborted()
    const entries = await lineage.readEntries(BigInt(at), BigInt(to))
    for (const { index, bytes } of entries) {
      if (!PASSED_OVER.has(typeOf(bytes))) yield { index: Number(index), event: readWritten(bytes) }
    }
    at += entries.length
    await pause(pauseMs)
  }
}

/** An entry of one's own log, which was checked when it was written. */
export function readWritten(bytes: Buffer): LineageEvent {
  return JSON.parse(bytes.toString('utf8')) as LineageEvent
}

/** The kind of an event in canonical JSON. Within a string the quotes would be escaped, and no event has such a field further down. */
function typeOf(bytes: Buffer): string {
  const at = bytes.lastIndexOf(TYPE)
  return at < 0 ? '' : bytes.toString('latin1', at + TYPE.length, bytes.indexOf('"', at + TYPE.length))
}
