import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { readSegmentBatches } from '../writer/segment.ts'
import type { Fault } from './fault.ts'
import { openRegular } from './files.ts'

/**
 * The entries that the segments of a tail hold, by index, however damaged it is: every batch that is whole counts. Of two entries in one place
 * the first is given, and that is a fault.
 *
 * @param directory controlled by whoever broke it; segments are some MiB each
 */
export async function readTailEntries(directory: string, faults: Fault[]): Promise<Map<number, Buffer>> {
  const entries = new Map<number, Buffer>()
  const names = await readdir(directory).catch(() => [])
  for (const name of names.filter(name => /^[0-9]{16}$/.test(name)).sort()) {
    const at = `state/tail/${name}`
    const bytes = await readSegmentFile(join(directory, name))
    if (bytes === null) {
      faults.push({ code: 'LINEAGE_BROKEN', message: 'it cannot be read', at })
      continue
    }
    for (const batch of readSegmentBatches(bytes)) {
      for (const [i, entry] of batch.entries.entries()) {
        const index = batch.first + i
        if (!Number.isSafeInteger(index)) continue
        const known = entries.get(index)
        if (known === undefined) entries.set(index, entry)
        else if (!known.equals(entry))
          faults.push({ code: 'LINEAGE_BROKEN', message: `two segments differ at entry ${index}`, at })
      }
    }
  }
  return entries
}

/** Null for what is no regular file or cannot be read. */
async function readSegmentFile(path: string): Promise<Buffer | null> {
  try {
    const file = await openRegular(path)
    return file === null ? null : await file.readFile().finally(() => file.close())
  } catch {
    return null
  }
}
