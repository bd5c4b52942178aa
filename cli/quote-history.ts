import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  encodeQuoteHistory,
  MAX_HISTORY_BYTES,
  parseQuoteHistory,
  type QuoteHistory,
} from '../attestation/index.ts'
import { CliError } from './error.ts'
import { readAs, writeDocument } from './files.ts'

/** Where a verifier remembers one host's quotes. */
export interface HistoryFile {
  /** Null for a host that was not seen before. */
  readonly history: QuoteHistory | null
  /** Durable when it returns: the old file stands until the new one is on disk. */
  readonly remember: (next: QuoteHistory) => Promise<void>
}

/**
 * Opens the history of a host: the file of that name, or the host's own file in a directory that exists. A history of another host, or
 * one that cannot be read, is an error: to go on without it would forget what was seen.
 *
 * One verification at a time writes to it; of two at once, the later one's is kept.
 *
 * @throws CliError
 */
export async function openHistory(path: string, host: string): Promise<HistoryFile> {
  const info = await stat(path).catch(() => null)
  const file = info?.isDirectory() ? join(path, `${host.replace(':', '-')}.json`) : path
  const history = await readHistory(file)
  if (history !== null && history.host !== host) {
    throw new CliError('FILE_MALFORMED', `${file} is the history of another host, ${history.host}`, {
      at: file,
      next: 'Give each host a file of its own, or a directory for all.',
    })
  }
  return {
    history,
    remember: next => writeDocument(file, encodeQuoteHistory(next), { mode: 0o600, replace: true }),
  }
}

async function readHistory(file: string): Promise<QuoteHistory | null> {
  try {
    return await readAs(file, 'a history of quotes', parseQuoteHistory, MAX_HISTORY_BYTES)
  } catch (error) {
    if (error instanceof CliError && error.code === 'FILE_MISSING') return null
    throw error
  }
}
