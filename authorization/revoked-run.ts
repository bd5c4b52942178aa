import type { RevocationSet } from './revocation-set.ts'
import { countSigners, type Signed } from './signers.ts'
import type { LaunchTerms } from './terms.ts'

/** What was permitted and runs, as far as revocations can hit it. */
export interface PermittedRun {
  readonly executionId: string
  readonly artifactDigest: string
  readonly terms: Pick<LaunchTerms, 'program' | 'files'>
  readonly signed: Signed
  /** When it was permitted. */
  readonly permittedTime: string
  readonly hostId: string
}

/**
 * Whether it would not have been permitted under these revocations, whatever becomes of its ancestors.
 *
 * @param policyDigest of the policy bundle in force; null if none is
 */
export function isRevoked(
  { executionId, artifactDigest, terms, signed, permittedTime, hostId }: PermittedRun,
  revocations: RevocationSet,
  policyDigest: string | null,
): boolean {
  const revocable = {
    ...{ artifactDigest, hostId, policyDigest },
    subjectDigests: [terms.program, ...terms.files].map(file => file.sha256),
    executionIds: [executionId],
  }
  // Windows as they were: what a key that has left means for what runs is for a new decision to say.
  const { met } = countSigners(signed, permittedTime, key => revocations.has('key', key))
  return revocations.hits(revocable).length > 0 || !met
}
