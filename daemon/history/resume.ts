import { setImmediate } from 'node:timers/promises'
import { ClockWatch } from '../../authorization/index.ts'
import { type Lineage, parseEvent, readSnapshotInSteps, type Tally } from '../../lineage/index.ts'

/** How many snapshots are tried, the newest first, before the whole log is read. */
const TRIES = 4

/**
 * What the newest snapshot that can be read adds up to. Where it is in the log is a hint that anybody may have written: only the entry itself says that it is
 * one, which is in the tree, and names the digest of what it adds up to. Null if there is none.
 *
 * @param gently whether others get a turn in between
 * @throws LineageError `LINEAGE_BROKEN` when the entry in the files is not the one in the tree
 */
export async function newestSnapshot(lineage: Lineage, gently = false): Promise<Tally<ClockWatch> | null> {
  let index = lineage.snapshotHint()
  for (let tries = 0; index !== null && tries < TRIES; tries++) {
    if (index >= lineage.size) return null
    const event = parseEvent(await lineage.entry(index))
    if (event.type !== 'snapshot' || event.size > index) return null
    const tally = await read(lineage, event.digest, gently)
    // A tally of other entries than the entry says is another's, copied here.
    if (tally !== null && tally.size === event.size) return tally
    index = event.previous === null || event.previous >= index ? null : BigInt(event.previous)
  }
  return null
}

/** Null for a blob that is not kept any longer, or is no snapshot. */
async function read(lineage: Lineage, digest: string, gently: boolean): Promise<Tally<ClockWatch> | null> {
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
