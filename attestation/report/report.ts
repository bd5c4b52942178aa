import type { Evidence } from '../evidence.ts'
import type { ReportBinding } from '../quote/index.ts'
import { publicAreaName } from '../tpm2/structures/index.ts'

/** A tree head of the lineage. */
export interface BoundTree {
  readonly size: bigint
  readonly root: Uint8Array
}

/** The newest signed tree head of the lineage, and the proof that the tree in the quote's binding goes on from it. */
export interface ReportCheckpoint {
  /** C2SP signed note. */
  readonly note: Buffer
  /** Consistency proof from the note's tree to the bound one (RFC 9162, section 2.1.4), 32 bytes each. */
  readonly proof: readonly Buffer[]
}

/** That the tree in the quote's binding goes on from one that the verifier has seen. */
export interface ReportGrowth {
  /** Entries of the tree that was seen. */
  readonly from: bigint
  /** Consistency proof, 32 bytes each. */
  readonly proof: readonly Buffer[]
}

/**
 * Evidence of one moment with all that its quote is bound to, as one document. It has no signature of its own: the quote
 * covers the binding and, through the PCRs, the logs. Keys and certificates in it are claims until the verifier's own
 * trust anchors have confirmed them (`verifyReport`).
 */
export interface Report {
  readonly evidence: Evidence
  /** Entries of the host's IMA log before the first one of `evidence.imaLog`: those that the verifier has seen. */
  readonly imaFrom: number
  readonly binding: Omit<ReportBinding, 'domain'>
  /** The list that `binding.executionsDigest` is the digest of, as bytes (`parseExecutions`). */
  readonly executions: Buffer
  /** SubjectPublicKeyInfo of the daemon's session key, in DER; `binding.sessionKeySpkiDigest` is its digest. */
  readonly sessionKeySpki: Buffer
  /** Null when the lineage has none yet. */
  readonly checkpoint: ReportCheckpoint | null
  /** Null when no tree was named that the verifier has seen. */
  readonly growth: ReportGrowth | null
  /** TPMT_PUBLIC of the key that signed the quote. */
  readonly akPublicArea: Uint8Array
  /** DER, by the operator. */
  readonly akCertificate: Uint8Array | null
  /** DER, by the TPM's maker. */
  readonly ekCertificate: Uint8Array | null
  readonly ekIntermediates: readonly Uint8Array[]
  /** What the host says its TPM is. A label for people: no verifier takes it for true. */
  readonly claimedTier: 'hardware' | 'simulated' | 'unknown'
}

/** Most bytes of a report: base64 of an IMA log with some 700,000 entries. Of more, a part is asked for. */
export const MAX_REPORT_BYTES = 128 << 20

/**
 * The host that a report says it is of: its key's Name in hexadecimal.
 *
 * @throws StructureError for a key whose Name is made in no known way
 */
export function claimedHostId({ akPublicArea }: Report): string {
  return publicAreaName(akPublicArea).toString('hex')
}
