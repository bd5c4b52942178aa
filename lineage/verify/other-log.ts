import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readBoundedSync } from '../blob-store.ts'
import type { CheckpointText } from '../c2sp/checkpoint-text.ts'
import { MAX_BUNDLE_BYTES } from '../c2sp/entry-bundle.ts'
import { LineageError } from '../error.ts'
import { LogFiles } from '../log-files.ts'
import { type HeadTrust, verifyHead } from './head.ts'
import { checkGrowth, PROOF_CONSISTENCY } from './proof-file.ts'
import { failed, failedBy, type PropertyResult, verified } from './result.ts'
import { checkTiledLog, type TileReader } from './tiled-log.ts'

export const TILED_LOG = 'tiles and entries'

/**
 * Verifies the directory of a log of another make (C2SP tlog-tiles) by its checkpoint: whose it is, that its tiles make the signed root and its
 * entries are those of the tiles, and that it goes on from checkpoints that the verifier kept.
 *
 * @param directory controlled by whoever made it
 * @param earlier trusted as they stand
 */
export async function verifyOtherLog(
  directory: string,
  trust: HeadTrust & { readonly earlier?: readonly CheckpointText[] },
): Promise<{ readonly results: readonly PropertyResult[]; readonly head: CheckpointText | undefined }> {
  let files: LogFiles
  try {
    files = await LogFiles.open(directory)
  } catch (error) {
    return { results: [failedBy('checkpoint form', error, 'checkpoint')], head: undefined }
  }
  const { results, head } = verifyHead(files.note, trust)
  const tiles = checkTiles(directory, files)
  const growth = await Promise.all((trust.earlier ?? []).map(earlier => checkEarlier(files, earlier)))
  return { results: [...results, tiles, ...growth], head }
}

function checkTiles(directory: string, head: CheckpointText): PropertyResult {
  // Certificate transparency logs keep their entries elsewhere, in another form (C2SP static-ct-api).
  const entries = head.size === 0 || existsSync(join(directory, 'tile/entries'))
  try {
    checkTiledLog(readerOf(directory), head, entries)
    return verified(
      TILED_LOG,
      entries
        ? `${head.size} entries, each hashed into the signed root`
        : `the tiles make the signed root of ${head.size} entries; the entries are not here in a form that is read`,
    )
  } catch (error) {
    const at =
      error instanceof Error && 'at' in error && typeof error.at === 'string' ? error.at : 'checkpoint'
    return failedBy(TILED_LOG, error, at)
  }
}

async function checkEarlier(files: LogFiles, earlier: CheckpointText): Promise<PropertyResult> {
  if (earlier.size >= files.size) return checkGrowth(files, earlier, undefined)
  try {
    const hashes = await files.consistencyProof(earlier.size)
    return checkGrowth(files, earlier, { oldSize: earlier.size, hashes, checkpoint: files.note })
  } catch (error) {
    return failed(PROOF_CONSISTENCY, error instanceof Error ? error.message : String(error))
  }
}

/** Files of a directory by their path below it; what is no regular file, a pipe for one, is none. */
export function readerOf(directory: string): TileReader {
  return path => {
    try {
      return readBoundedSync(join(directory, path), MAX_BUNDLE_BYTES, path)
    } catch (error) {
      if (error instanceof LineageError && error.code === 'BLOB_ABSENT') return undefined
      throw error
    }
  }
}
