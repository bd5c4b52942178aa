import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { blobPath, LineageError, MAX_BLOB_BYTES, readBounded } from '../../lineage/index.ts'
import { CliError } from '../error.ts'
import { systemReason } from '../files.ts'
import { LINEAGE_PATH } from './bundle.ts'

/** Gives evidence that somebody kept elsewhere by its digest; null if it is not there. The bytes may be any. */
export type KeptEvidence = (digest: string) => Promise<Buffer | null>

/**
 * Looks for evidence in directories: older bundles, directories of a log, or files that are named by their SHA-256.
 *
 * @throws CliError for a directory that cannot be opened
 */
export async function keptEvidence(directories: readonly string[]): Promise<KeptEvidence> {
  for (const directory of directories) {
    const found = await stat(directory).catch(cause => {
      throw new CliError('FILE_MISSING', `cannot open ${directory}: ${systemReason(cause)}`, {
        at: directory,
        cause,
      })
    })
    if (!found.isDirectory())
      throw new CliError('FILE_UNREADABLE', `${directory} is not a directory`, { at: directory })
  }
  return async digest => {
    const path = blobPath(digest)
    for (const directory of directories) {
      for (const place of [join(LINEAGE_PATH, path), path, digest]) {
        try {
          return await readBounded(join(directory, place), MAX_BLOB_BYTES, place)
        } catch (error) {
          if (!(error instanceof LineageError && error.code === 'BLOB_ABSENT')) throw error
        }
      }
    }
    return null
  }
}
