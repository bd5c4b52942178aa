import { type LineageEvent, parseEvent } from '../../lineage/index.ts'
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
 * A blob that an entry names, checked against its name by whoever uses it.
 *
 * @throws CallError
 */
export async function readBlobOf(daemon: WritClient, digest: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const { chunk } of daemon.read(api.lineage.GetBlob, { digest })) chunks.push(chunk)
  return Buffer.concat(chunks)
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
