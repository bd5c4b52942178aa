import { type Checkpoint, encodeEvent, leafHash, verifyInclusion } from '../../lineage/index.ts'
import type { Status } from '../verify/property.ts'
import type { LogEntry } from '../verify/steps.ts'
import type { RequestSource } from './source.ts'

/** An entry, and what shows that it is in the tree of the checkpoint. */
export interface ProvenEntry extends LogEntry {
  readonly leafHash: Buffer
  readonly status: Status
  /** Why it is not proven; empty when it is. */
  readonly detail: string
  readonly proof: { readonly treeSize: number; readonly hashes: readonly Buffer[] } | null
}

/** Gets the inclusion proof of each entry and verifies it against the checkpoint's root. */
export async function proveEntries(
  source: RequestSource,
  entries: readonly LogEntry[],
  checkpoint: Checkpoint | null,
): Promise<ProvenEntry[]> {
  const out: ProvenEntry[] = []
  for (const entry of entries.toSorted((a, b) => a.index - b.index)) {
    if (entry.index === out.at(-1)?.index) continue
    out.push(await proveEntry(source, entry, checkpoint))
  }
  return out
}

async function proveEntry(
  source: RequestSource,
  { index, event }: LogEntry,
  checkpoint: Checkpoint | null,
): Promise<ProvenEntry> {
  const hash = leafHash(encodeEvent(event))
  const said = (status: Status, detail: string): ProvenEntry => {
    return { index, event, leafHash: hash, status, detail, proof: null }
  }
  if (checkpoint === null) return said('NOT CHECKED', 'there is no checkpoint')
  const { size, root } = checkpoint
  if (index >= size) return said('NOT CHECKED', `the newest checkpoint has ${size} entries, not this one yet`)
  try {
    const hashes = await source.inclusion(index, size)
    const input = { leafHash: hash, index: BigInt(index), size: BigInt(size), proof: hashes, root }
    if (!verifyInclusion(input))
      return said('FAILED', 'its proof does not lead to the root of the checkpoint')
    return { ...said('VERIFIED', ''), proof: { treeSize: size, hashes } }
  } catch (error) {
    return said('FAILED', error instanceof Error ? error.message : String(error))
  }
}
