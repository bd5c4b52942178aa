import type { JudgeCheckpoint } from '../../attestation/index.ts'
import { parseCheckpoint, verifyConsistency, verifyTpmSignature } from '../../lineage/index.ts'
import { StepFailure } from '../verify/steps.ts'

/**
 * That the attestation key signed the checkpoint, and that the tree which the quote binds goes on from the checkpoint's. The newest checkpoint
 * may be older than the quote. Its Ed25519 line is by a key that only the log itself names: `writ verify` looks at it.
 */
export const judgeCheckpoint: JudgeCheckpoint = ({ note, proof }, bound, ak) => {
  const checkpoint = parseCheckpoint(note)
  verifyTpmSignature(checkpoint, ak)
  const size1 = BigInt(checkpoint.size)
  const consistent =
    size1 <= bound.size &&
    verifyConsistency({ size1, size2: bound.size, proof, root1: checkpoint.root, root2: bound.root })
  if (!consistent) {
    throw new StepFailure(
      `the tree of ${bound.size} entries that the quote binds does not go on from the checkpoint's ${checkpoint.size}`,
    )
  }
  return `the attestation key signed the tree of ${checkpoint.size} entries, and the quote binds ${bound.size} that go on from it`
}
