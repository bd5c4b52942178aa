import { join } from 'node:path'
import { decodeBundle } from '../c2sp/entry-bundle.ts'
import { partialTilesOf, TILE_WIDTH, type TileName, tilePath } from '../c2sp/tile-path.ts'
import {
  type Checkpoint,
  type CheckpointSigner,
  parseCheckpoint,
  type SignedCheckpoint,
  type TreeHead,
  verifyLogSignature,
  verifyTpmSignature,
} from '../checkpoint.ts'
import { LineageError } from '../error.ts'
import { HASH_SIZE, leafHash } from '../tree/merkle.ts'
import type { Tree } from '../tree/tree.ts'
import { readPlainFile, readPlainFileSync } from './plain-file.ts'
import type { StateFiles } from './state.ts'
import { broken } from './tile-store.ts'

const at = 'checkpoint'

/** Whose keys the published checkpoint has to be signed by. */
export type CheckpointKeys = Pick<CheckpointSigner, 'logKey' | 'ak'>

/**
 * Reads the published checkpoint. That the tree goes on from it is the caller's to check.
 *
 * @param keys without them its signatures are not looked at
 * @throws LineageError `LINEAGE_BROKEN`, `LINEAGE_UNAVAILABLE`
 */
export function readCheckpoint(
  directory: string,
  origin: string,
  keys: CheckpointKeys | undefined,
): SignedCheckpoint | undefined {
  const note = readPlainFileSync(join(directory, at), at)
  if (note === undefined) return undefined
  let checkpoint: Checkpoint
  try {
    checkpoint = parseCheckpoint(note)
  } catch (cause) {
    throw new LineageError('LINEAGE_BROKEN', 'the checkpoint is damaged', { at, cause })
  }
  if (checkpoint.origin !== origin) {
    const message = `this is the lineage of ${checkpoint.origin}, not of ${origin}`
    throw new LineageError('LINEAGE_BROKEN', message, { at })
  }
  if (keys !== undefined) checkSignatures(checkpoint, keys)
  return { origin, size: checkpoint.size, root: checkpoint.root, note }
}

function checkSignatures(checkpoint: Checkpoint, { logKey, ak }: CheckpointKeys): void {
  const signedBy = (what: string, verify: () => unknown) => {
    try {
      verify()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new LineageError('LINEAGE_BROKEN', `the checkpoint is not signed by ${what}: ${why}`, {
        at,
        cause,
      })
    }
  }
  signedBy("this host's TPM", () => verifyTpmSignature(checkpoint, ak))
  // The TPM's line says that the checkpoint is one of this host: then the key's file is what was changed.
  signedBy("this host's log key", () => verifyLogSignature(checkpoint, logKey.public))
}

/**
 * A checkpoint that a record speaks of has been published: it is there, or a later one.
 *
 * @throws LineageError `LINEAGE_BROKEN`, `LINEAGE_ROLLED_BACK`
 */
export function checkPublished(checkpoint: TreeHead | undefined, state: StateFiles): void {
  for (const name of ['anchor', 'stop'] as const) {
    const published = state.read(name)?.published ?? null
    if (published === null || published <= (checkpoint?.size ?? -1)) continue
    if (checkpoint === undefined)
      throw new LineageError('LINEAGE_BROKEN', `the checkpoint of ${published} entries is missing`, { at })
    const message = `the checkpoint is of ${checkpoint.size} entries, and one of ${published} has been published`
    throw new LineageError('LINEAGE_ROLLED_BACK', message, { at })
  }
}

/**
 * The partial tiles that readers of the published checkpoint need are there, by themselves or as the beginning of full ones, and are those of this
 * tree.
 *
 * @throws LineageError `LINEAGE_BROKEN`, `LINEAGE_UNAVAILABLE`
 */
export async function checkPartials(directory: string, size: number, tree: Tree): Promise<void> {
  for (const name of partialTilesOf(size)) {
    const { level, index, width } = name
    const read = (as: TileName) => readPlainFile(join(directory, tilePath(as)), tilePath(as))
    const partial = await read(name)
    const bytes = partial ?? (await read({ ...name, width: TILE_WIDTH }))
    if (bytes === undefined) throw broken(name, 'is missing')
    const hashes = await tree.tile(level === 'entries' ? 0 : level, index, width)
    const found =
      level === 'entries'
        ? leaves(name, bytes, partial !== undefined)
        : [partial === undefined ? bytes.subarray(0, width * HASH_SIZE) : bytes]
    if (!Buffer.concat(found).equals(Buffer.concat(hashes)))
      throw broken(name, 'does not hold what is in the tree')
  }
}

function leaves(name: TileName, bytes: Buffer, whole: boolean): Buffer[] {
  try {
    return decodeBundle(bytes, name.width, whole).map(leafHash)
  } catch (cause) {
    throw broken(name, 'is no bundle of its entries', cause)
  }
}
