import { countSigners, type RevocationSet } from '../authorization/index.ts'
import type { TrackedExecution } from './execution-registry.ts'

/** Whether it would not have been permitted under these revocations, whatever becomes of its ancestors. */
export function isRevoked(
  execution: TrackedExecution,
  revocations: RevocationSet,
  policyDigest: string | null,
): boolean {
  const { executionId, artifactDigest, terms, origin, signed, permittedTime } = execution
  const revocable = {
    artifactDigest,
    subjectDigests: [terms.program, ...terms.files].map(file => file.sha256),
    executionIds: [executionId],
    hostId: origin?.permit.input.host.id ?? '',
    policyDigest,
  }
  // Windows as they were: what a key that has left means for what runs is for a new decision to say.
  const { met } = countSigners(signed, permittedTime, key => revocations.has('key', key))
  return revocations.hits(revocable).length > 0 || !met
}
