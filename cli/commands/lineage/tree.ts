import type { Command } from 'commander'
import { sha256Hex } from '../../../encoding/digest.ts'
import { CallError, type WritClient } from '../../../proto/client.ts'
import { parseEnvelope } from '../../../signing/dsse.ts'
import { SigningError } from '../../../signing/error.ts'
import { addCommand, setAction } from '../../command.ts'
import { entryIndex, type ReadEntry, readBlobOf, readEntries } from '../../lineage/entries.ts'
import { type DecisionSummary, lineageTree, summarize, treeLines } from '../../lineage/tree.ts'
import { addSocketOption, type SocketOptions, withDaemon } from '../../rpc/daemon.ts'

interface Options extends SocketOptions {
  from: number
}

/** Records and artifacts are small; a larger blob is evidence and not looked for an artifact in. */
const MAX_INPUT_BYTES = 1 << 20

export function addLineageTree(parent: Command): void {
  const command = addCommand(
    parent,
    'tree',
    'Show what led to what: each execution with its origin, its authorization, its decision, its start and its end.',
    'writ lineage tree --from 100',
    { tree: ['json: text, entries (their positions) and children, which are such nodes again'] },
  ).option('--from <index>', 'first entry', entryIndex, 0)
  addSocketOption(command)
  setAction<Options>(command, ({ options, output }) =>
    withDaemon(options, async daemon => {
      const entries: ReadEntry[] = []
      for await (const entry of readEntries(daemon, options.from)) entries.push(entry)
      const summaries = new Map<string, DecisionSummary | null>()
      for (const { event } of entries) {
        if (event.type === 'decision') summaries.set(event.record, await summaryOf(daemon, event))
      }
      const tree = lineageTree(entries, decision => summaries.get(decision.record) ?? null)
      output.result({ tree }, () => treeLines(tree))
      return undefined
    }),
  )
}

/** What the record adds to the event; nothing for those who may not read blobs. */
async function summaryOf(
  daemon: WritClient,
  decision: Extract<ReadEntry['event'], { type: 'decision' }>,
): Promise<DecisionSummary | null> {
  try {
    const record = await readBlobOf(daemon, decision, decision.record)
    for (const digest of decision.artifact === null ? [] : decision.inputs) {
      const payload = payloadOf(await readBlobOf(daemon, decision, digest))
      if (payload !== null && sha256Hex(payload) === decision.artifact) return summarize(record, payload)
    }
    return summarize(record, null)
  } catch (error) {
    if (error instanceof CallError && error.code !== 'UNAVAILABLE') return null
    throw error
  }
}

function payloadOf(blob: Buffer): Buffer | null {
  if (blob.length > MAX_INPUT_BYTES) return null
  try {
    return parseEnvelope(blob).payload
  } catch (error) {
    if (error instanceof SigningError) return null
    throw error
  }
}
