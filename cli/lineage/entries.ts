import { sha256Hex } from '../../encoding/digest.ts'
import { inlineBlob, type LineageEvent, parseEvent } from '../../lineage/index.ts'
import { api, type WritClient } from '../../proto/client.ts'
import { CliError } from '../error.ts'

/** An entry of the lineage as it was read. */
export interface ReadEntry {
  readonly index: number
  readonly bytes: Buffer
  readonly event: LineageEvent
}

/**
 * Entries from `from` up to, not including, `to`, in their order (0: to the end as it is now). Whoever is not an auditor gets
 * those of its own executions only.
 *
 * @throws CallError, LineageError
 */
export async function* readEntries(daemon: WritClient, from: number, to = 0): AsyncGenerator<ReadEntry> {
  for await (const { index, entry } of daemon.read(api.lineage.ReadEntries, { from, to })) {
    yield { index: Number(index), bytes: entry, event: parseEvent(entry) }
  }
}

/**
 * A blob that an entry names: from the entry itself, or from the daemon. It is what its name says.
 *
 * @throws CallError; LineageError `BLOB_DAMAGED`; CliError `NOT_VERIFIED`
 */
export async function readBlobOf(daemon: WritClient, event: LineageEvent, digest: string): Promise<Buffer> {
  const carried = inlineBlob(event, digest)
  if (carried !== undefined) return carried
  const chunks: Buffer[] = []
  for await (const { chunk } of daemon.read(api.lineage.GetBlob, { digest })) chunks.push(chunk)
  const blob = Buffer.concat(chunks)
  if (sha256Hex(blob) === digest) return blob
  throw new CliError('NOT_VERIFIED', `the daemon sent other bytes than ${digest} names`)
}

/** Reads an entry's position from the command line. @throws CliError */
export function entryIndex(text: string): number {
  const value = Number(text)
  if (/^[0-9]{1,15}$/.test(text)) return value
  throw new CliError(
    'USAGE',
    `an entry is named by its position, a whole number, not ${JSON.stringify(text)}`,
  )
}
