import type { ReferenceValues } from './document.ts'
import { ReferenceValuesError } from './error.ts'

/** The highest revision of each name that a verifier has seen, and which values it was. */
export type KnownRevisions = ReadonlyMap<string, { readonly revision: number; readonly digest: string }>

/**
 * Whether values may be judged by after all that a verifier has seen: none older of their name, and no other of the same revision. Another name is other
 * values; coming back to a name counts from its own highest revision.
 *
 * @throws ReferenceValuesError `REFERENCE_ROLLED_BACK`, `REFERENCE_REVISION_REUSED`
 */
export function checkReferenceSuccessor(known: KnownRevisions, next: ReferenceValues): void {
  const { name, revision } = next.document
  const newest = known.get(name)
  if (newest === undefined || newest.digest === next.digest) return
  checkReferenceRevision(next, newest.revision)
  if (revision > newest.revision) return
  throw new ReferenceValuesError(
    'REFERENCE_REVISION_REUSED',
    `reference values ${name}: revision ${revision} is already known with other content`,
    { at: 'revision' },
  )
}

/**
 * For a verifier that remembers no more than a number.
 *
 * @param least the lowest revision that is taken
 * @throws ReferenceValuesError `REFERENCE_ROLLED_BACK`
 */
export function checkReferenceRevision({ document }: ReferenceValues, least: number): void {
  const { name, revision } = document
  if (revision >= least) return
  throw new ReferenceValuesError(
    'REFERENCE_ROLLED_BACK',
    `reference values ${name}: revision ${revision} cannot follow revision ${least}`,
    { at: 'revision' },
  )
}

/** What is known after these values have been seen too. */
export function withRevision(known: KnownRevisions, { document, digest }: ReferenceValues): KnownRevisions {
  const { name, revision } = document
  const newest = known.get(name)
  if (newest !== undefined && newest.revision >= revision) return known
  return new Map(known).set(name, { revision, digest })
}
