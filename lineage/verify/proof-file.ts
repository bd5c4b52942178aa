import type { CheckpointText, TreeHead } from '../c2sp/checkpoint-text.ts'
import type { ConsistencyProof } from '../c2sp/consistency-proof.ts'
import type { TlogProof } from '../c2sp/tlog-proof.ts'
import { leafHash, verifyConsistency, verifyInclusion } from '../tree/merkle.ts'
import { failed, notChecked, type PropertyResult, verified } from './result.ts'

export const PROOF_INCLUSION = 'inclusion of the entry'
export const PROOF_CONSISTENCY = 'consistency with the earlier checkpoint'

/**
 * That an entry is in the tree of its proof's checkpoint. What the tree is worth is for {@link verifyHead} to say.
 *
 * @param entry its bytes; undefined if nobody has them, so that nothing is proved to be there
 */
export function checkInclusion(
  { index, hashes }: TlogProof,
  { size, root }: TreeHead,
  entry: Buffer | undefined,
): PropertyResult {
  if (entry === undefined)
    return notChecked(PROOF_INCLUSION, 'the proof does not carry the entry, and none was given')
  const input = { leafHash: leafHash(entry), index, size: BigInt(size), proof: hashes, root }
  return verifyInclusion(input)
    ? verified(PROOF_INCLUSION, `these ${entry.length} bytes are entry ${index} of ${size}`)
    : failed(PROOF_INCLUSION, `these ${entry.length} bytes are not entry ${index} of this tree of ${size}`)
}

/**
 * That a checkpoint goes on from one that the verifier kept. One of the same size needs no proof.
 *
 * @param earlier trusted as it stands; its signatures are not checked again
 * @param proof undefined if there is none
 */
export function checkGrowth(
  head: CheckpointText,
  earlier: CheckpointText,
  proof: ConsistencyProof | undefined,
): PropertyResult {
  if (earlier.origin !== head.origin)
    return failed(PROOF_CONSISTENCY, `the earlier checkpoint is of the log ${earlier.origin}`)
  if (earlier.size > head.size)
    return failed(
      PROOF_CONSISTENCY,
      `the log had ${earlier.size} entries before and has ${head.size}: it was cut`,
    )
  if (earlier.size === head.size) {
    return earlier.root.equals(head.root)
      ? verified(PROOF_CONSISTENCY, `it is the same tree of ${head.size} entries`)
      : failed(PROOF_CONSISTENCY, `these are two trees of ${head.size} entries: the log was forked`)
  }
  if (proof === undefined) {
    return notChecked(
      PROOF_CONSISTENCY,
      `it takes a proof from ${earlier.size} to ${head.size} entries, and none was given`,
    )
  }
  if (proof.oldSize !== earlier.size)
    return failed(PROOF_CONSISTENCY, `the proof is from ${proof.oldSize} entries, not from ${earlier.size}`)
  const holds = verifyConsistency({
    size1: BigInt(earlier.size),
    size2: BigInt(head.size),
    proof: proof.hashes,
    root1: earlier.root,
    root2: head.root,
  })
  return holds
    ? verified(PROOF_CONSISTENCY, `the tree of ${head.size} entries goes on from that of ${earlier.size}`)
    : failed(
        PROOF_CONSISTENCY,
        `the proof does not show that the tree of ${head.size} entries goes on from that of ${earlier.size}`,
      )
}
