import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { canonicalJsonBytes, type JsonObject, parseJson } from '../../encoding/json.ts'
import { parseTilePath, type TileName } from '../c2sp/tile-path.ts'
import { LineageError } from '../error.ts'
import type { Journal } from './journal.ts'
import { readPlainFileSync } from './plain-file.ts'
import type { StateFiles } from './state.ts'

const at = 'state/damaged'

/**
 * Notes which file an open log was found not to be whole at. A start reads none of the files far back: without the note it would go on until that one is
 * read again. Writing it is tried once, whatever became of the disk.
 */
export function markDamaged(directory: string, file: string): void {
  try {
    // Not through the watched system calls: those have ended.
    const temporary = join(directory, 'state/tmp/damaged')
    const fd = openSync(temporary, 'w', 0o640)
    try {
      writeSync(fd, canonicalJsonBytes({ at: file, v: 1 }))
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, join(directory, at))
  } catch {
    // What is damaged is found again when it is read.
  }
}

/**
 * Reads the file anew that was found damaged when the log was last open. If it is whole again, because somebody put it back, the note is removed.
 *
 * @throws LineageError `LINEAGE_BROKEN`
 */
export async function recheckDamaged(directory: string, journal: Journal, state: StateFiles): Promise<void> {
  const bytes = readPlainFileSync(join(directory, at), at)
  if (bytes === undefined) return
  const name = readMark(bytes)
  // What is not in full tiles has just been read whole.
  if (name !== undefined) await journal.recheckTile(name)
  await state.remove('damaged')
}

function readMark(bytes: Buffer): TileName | undefined {
  try {
    const { v, at: file } = parseJson(bytes, { maxBytes: 1024, maxDepth: 1 }) as JsonObject
    if (v !== 1 || typeof file !== 'string') throw new Error('a field is missing or of another type')
    return file.startsWith('tile/') ? parseTilePath(file) : undefined
  } catch (cause) {
    throw new LineageError('LINEAGE_BROKEN', `${at} is damaged`, { at, cause })
  }
}
