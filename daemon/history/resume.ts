import { setImmediate } from 'node:timers/promises'
import { ClockWatch } from '../../authorization/index.ts'
import {
  type Lineage,
  LineageError,
  parseEvent,
  readSnapshotInSteps,
  SnapshotCheck,
  type Tally,
} from '../../lineage/index.ts'

/** How many snapshots are tried, the newest first, before the whole log is read. */
const TRIES = 4

/** A log as far as a start from a snapshot needs it. */
export interface ResumableLog
  extends Pick<Lineage, 'size' | 'entry' | 'readEntries' | 'getBlob' | 'snapshotHint'> {
  latestCheckpoint(): { readonly size: number } | undefined
}

/** Entries that the published checkpoint stands for: a daemon of this host has written them, and its TPM has signed. */
const signedSize = (log: ResumableLog): bigint => BigInt(log.latestCheckpoint()?.size ?? 0)

/**
 * What the newest snapshot that can be read adds up to. Where it is in the log is a hint that anybody may have written: only the entry itself says that it is
 * one, which is in the tree, and names the digest of what it adds up to. One that no checkpoint stands for is not used: whoever can write the files
 * can append an entry, and a snapshot could leave out what forbids. Null if there is none.
 *
 * @param gently whether others get a turn in between
 * @throws LineageError `LINEAGE_BROKEN` when the entry in the files is not the one in the tree
 */
export async function newestSnapshot(
  lineage: ResumableLog,
  gently = false,
): Promise<Tally<ClockWatch> | null> {
  let index = lineage.snapshotHint()
  for (let tries = 0; index !== null && tries < TRIES; tries++) {
    if (index >= lineage.size) return null
    const event = parseEvent(await lineage.entry(index))
    if (event.type !== 'snapshot' || event.size > index) return null
    const tally = index < signedSize(lineage) ? await read(lineage, event.digest, gently) : null
    // A tally of other entries than the entry says is another's, copied here.
    if (tally !== null && tally.size === event.size) return tally
    index = event.previous === null || event.previous >= index ? null : BigInt(event.previous)
  }
  return null
}

/**
 * Adds up again the snapshots that no checkpoint stands for yet. The next checkpoint will, and a later start takes its word.
 *
 * @throws LineageError `LINEAGE_BROKEN` when one is of something else: no daemon wrote it
 */
export async function checkUnsignedSnapshots(lineage: ResumableLog, stop?: AbortSignal): Promise<void> {
  if (!(await hasUnsigned(lineage, stop))) return
  const from = (await newestSnapshot(lineage)) ?? undefined
  const start = BigInt(from?.size ?? 0)
  const check = new SnapshotCheck(state => new ClockWatch(state), from)
  for await (const { index, event } of eventsFrom(lineage, start, stop)) check.take(event, Number(index))
  const { status, detail } = check.result()
  if (status === 'FAILED')
    throw new LineageError('LINEAGE_BROKEN', `no checkpoint stands for a snapshot that is wrong: ${detail}`)
}

async function hasUnsigned(lineage: ResumableLog, stop?: AbortSignal): Promise<boolean> {
  for await (const { event } of eventsFrom(lineage, signedSize(lineage), stop))
    if (event.type === 'snapshot') return true
  return false
}

async function* eventsFrom(lineage: ResumableLog, start: bigint, stop?: AbortSignal) {
  for (let from = start; from < lineage.size; ) {
    stop?.throwIfAborted()
    const entries = await lineage.readEntries(from, lineage.size)
    for (const { index, bytes } of entries) yield { index, event: parseEvent(bytes) }
    from += BigInt(entries.length)
  }
}

/** Null for a blob that is not kept any longer, or is no snapshot. */
async function read(
  lineage: ResumableLog,
  digest: string,
  gently: boolean,
): Promise<Tally<ClockWatch> | null> {
  try {
    const steps = readSnapshotInSteps(await lineage.getBlob(digest), state => new ClockWatch(state))
    for (;;) {
      const { done, value } = steps.next()
      if (done) return value
      if (gently) await setImmediate()
    }
  } catch {
    return null
  }
}
