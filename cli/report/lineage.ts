import type { LineageJudge } from '../../attestation/index.ts'
import { parseCheckpoint, verifyConsistency, verifyTpmSignature } from '../../lineage/index.ts'
import { StepFailure } from '../verify/steps.ts'

/** What the lineage's format says of a report's checkpoint and proofs. */
export const lineageJudge: LineageJudge = {
  /** The newest checkpoint may be older than the quote. Its Ed25519 line is by a key that only the log itself names: `writ verify` looks at it. */
  checkpoint({ note, proof }, bound, ak) {
    const checkpoint = parseCheckpoint(note)
    verifyTpmSignature(checkpoint, ak)
    const signed = { size: BigInt(checkpoint.size), root: checkpoint.root }
    if (!lineageJudge.goesOn(signed, bound, proof)) {
      throw new StepFailure(
        `the tree of ${bound.size} entries that the quote binds does not go on from the checkpoint's ${signed.size}`,
      )
    }
    return `the attestation key signed the tree of ${signed.size} entries, and the quote binds ${bound.size} that go on from it`
  },

  goesOn(from, to, proof) {
    return verifyConsistency({ size1: from.size, size2: to.size, proof, root1: from.root, root2: to.root })
  },
}
