import { existsSync } from 'node:fs'
import { utf8ToString } from '../../encoding/text.ts'
import { LineageError, type LogNoteKey, parseNoteKey } from '../../lineage/index.ts'
import { CliError } from '../error.ts'
import { readAs } from '../files.ts'

const MAX_KEY_FILE = 16 << 10

/**
 * Reads keys of logs in the text form that verifiers share, `name+id+key` (C2SP signed-note): each given as it stands, or as a file that has it in
 * its first line.
 *
 * @throws CliError
 */
export async function readLogKeys(texts: readonly string[]): Promise<LogNoteKey[]> {
  const keys: LogNoteKey[] = []
  for (const text of texts)
    keys.push(existsSync(text) ? await readAs(text, "a log's key", fromFile, MAX_KEY_FILE) : fromText(text))
  return keys
}

function fromFile(bytes: Buffer): LogNoteKey {
  return logKey(utf8ToString(bytes, 'key').split('\n')[0] ?? '')
}

function fromText(text: string): LogNoteKey {
  try {
    return logKey(text)
  } catch (cause) {
    if (!(cause instanceof LineageError)) throw cause
    throw new CliError(
      'USAGE',
      `--log-key takes a file, or name+id+key, not ${JSON.stringify(text.slice(0, 100))}`,
      { cause },
    )
  }
}

function logKey(text: string): LogNoteKey {
  const key = parseNoteKey(text.trim())
  if (key.kind === 'log') return key
  throw new LineageError('NOTE_MALFORMED', 'this is the key of a witness: name it in a policy (--policy)')
}
