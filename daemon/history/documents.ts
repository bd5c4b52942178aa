import { type KnownRevisions, type ReferenceValues, withRevision } from '../../attestation/index.ts'
import {
  type HostLabels,
  openHostLabels,
  openPolicyBundle,
  openSecretPolicy,
  openTrustRoots,
  type PolicyBundle,
  type RevocationSet,
  readRevocation,
  type SecretPolicy,
  type TrustRoots,
} from '../../authorization/index.ts'
import type { LineageEvent } from '../../lineage/index.ts'
import type { PublicKey } from '../../signing/key.ts'
import { openReferenceValues, readReferenceValues, type SignedReferenceValues } from '../reference-values.ts'

/** Version and digest of the newest document of a kind that the log knows, in force or not: none older is taken. */
export interface NewestVersion {
  readonly version: number
  readonly digest: string
}

/** What governance has signed, as far as the log knows. */
export interface Documents {
  revocations: RevocationSet
  trustRoots: TrustRoots | null
  /** What the operator calls this host. */
  hostLabels: HostLabels | null
  policy: PolicyBundle | null
  secretPolicy: SecretPolicy | null
  newestSecretPolicy: NewestVersion | null
  newestTrustRoots: NewestVersion | null
  newestPolicy: NewestVersion | null
  newestHostLabels: NewestVersion | null
  referenceValues: SignedReferenceValues | null
  /** The highest revision of each name that was ever in force here: none older is taken. */
  knownReferenceValues: KnownRevisions
}

/** An event that names a document. */
export type DocumentEvent = LineageEvent & {
  readonly type:
    | 'trust-roots'
    | 'policy'
    | 'host-labels'
    | 'secret-policy'
    | 'revocation'
    | 'reference-values'
}

/**
 * Takes over a recorded document. Signatures are checked again. What permits is in force only if a configured key vouches for it now; nothing
 * older takes its place. What forbids stays in force: a key that was taken out of the configuration must not take its revocations along.
 *
 * @param governance the configured keys that nothing before this place of the log revokes
 * @throws AuthorizationError, SigningError, AttestationError when nobody vouches for it, or a recorded revocation cannot be read
 */
export function applyDocument(
  documents: Documents,
  event: DocumentEvent,
  envelope: Buffer,
  governance: readonly PublicKey[],
  hostId: string,
): void {
  switch (event.type) {
    case 'revocation':
      documents.revocations = documents.revocations.with(readRevocation(envelope))
      return
    case 'trust-roots':
      documents.newestTrustRoots = { version: event.version, digest: event.digest }
      documents.trustRoots = null
      documents.trustRoots = openTrustRoots(envelope, governance)
      return
    case 'policy':
      documents.newestPolicy = { version: event.version, digest: event.digest }
      documents.policy = null
      documents.policy = openPolicyBundle(envelope, governance)
      return
    case 'host-labels': {
      documents.newestHostLabels = { version: event.version, digest: event.digest }
      documents.hostLabels = null
      const labels = openHostLabels(envelope, governance)
      // The log may be another host's: its labels are not this one's.
      if (labels.host === hostId) documents.hostLabels = labels
      return
    }
    case 'secret-policy':
      documents.newestSecretPolicy = { version: event.version, digest: event.digest }
      documents.secretPolicy = null
      documents.secretPolicy = openSecretPolicy(envelope, governance)
      return
    case 'reference-values':
      documents.referenceValues = null
      applyReferenceValues(documents, envelope, governance)
  }
}

/** What is older stays refused, also when the key that signed the newest is no longer trusted. */
function applyReferenceValues(
  documents: Documents,
  envelope: Buffer,
  governance: readonly PublicKey[],
): void {
  let values: ReferenceValues | null = null
  try {
    const signed = openReferenceValues(envelope, governance)
    values = signed.values
    documents.referenceValues = signed
  } finally {
    values ??= readReferenceValues(envelope)
    documents.knownReferenceValues = withRevision(documents.knownReferenceValues, values)
  }
}
