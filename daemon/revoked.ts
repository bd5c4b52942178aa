import { countSigners, type RevocationSet } from '../authorization/index.ts'
import type { ExecutionRegistry, TrackedExecution } from './execution-registry.ts'

/** The ids of all that these revocations hit now, with all that descends from it. */
export function revokedOf(
  registry: Pick<ExecutionRegistry, 'live' | 'lineOf'>,
  revocations: RevocationSet,
  policyDigest: string | null,
): string[] {
  const live = registry.live()
  const hit = new Set(
    live.filter(execution => isRevoked(execution, revocations, policyDigest)).map(it => it.executionId),
  )
  // A parent that has ended may be the one that is named.
  return live
    .map(({ executionId }) => executionId)
    .filter(id => registry.lineOf(id).some(one => hit.has(one) || revocations.has('execution', one)))
}

/** Whether it would not have been permitted under these revocations, whatever becomes of its ancestors. */
function isRevoked(
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
