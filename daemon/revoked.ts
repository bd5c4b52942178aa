import { isRevoked, type RevocationSet } from '../authorization/index.ts'
import type { ExecutionRegistry } from './execution-registry.ts'

/** The ids of all that these revocations hit now, with all that descends from it. */
export function revokedOf(
  registry: Pick<ExecutionRegistry, 'live' | 'lineOf'>,
  revocations: RevocationSet,
  policyDigest: string | null,
): string[] {
  const live = registry.live()
  const hit = new Set<string>()
  for (const execution of live) {
    const hostId = execution.origin?.permit.input.host.id ?? ''
    if (isRevoked({ ...execution, hostId }, revocations, policyDigest)) hit.add(execution.executionId)
  }
  // A parent that has ended may be the one that is named.
  return live
    .map(({ executionId }) => executionId)
    .filter(id => registry.lineOf(id).some(one => hit.has(one) || revocations.has('execution', one)))
}
