import type { PublicKey } from '../../signing/key.ts'
import type { AttestationKey } from '../identity/index.ts'
import type { ClockHistory } from '../quote/index.ts'
import type { ReferenceValues } from '../reference/index.ts'
import type { ReportCheckpoint } from './report.ts'

/** A tree head of the lineage. */
export interface BoundTree {
  readonly size: bigint
  readonly root: Uint8Array
}

/**
 * Judges a report's checkpoint: whether the attestation key signed it, and whether the tree that the quote binds goes on from it. The log's format
 * belongs to another room, so whoever verifies reports hands the judge in.
 *
 * @param checkpoint controlled by the host
 * @returns what holds, in words
 * @throws WritError when it does not hold
 */
export type JudgeCheckpoint = (checkpoint: ReportCheckpoint, bound: BoundTree, ak: AttestationKey) => string

/** What the person who verifies brings. What is null is not checked, and the result says so. */
export interface ReportTrust {
  /** The nonce that was sent: without it, a report may be old. */
  readonly nonce: Uint8Array | null
  /** The host that was asked: the AK's Name, lower-case hexadecimal. */
  readonly hostId: string | null
  /** The operator's key, which certifies attestation keys. */
  readonly operatorKey: PublicKey | null
  /** DER roots for EK certificates. */
  readonly ekRoots: { readonly hardware: readonly Uint8Array[]; readonly other: readonly Uint8Array[] } | null
  readonly reference: ReferenceValues | null
  /** SHA-256 (hex) of programs that the host ran under artifacts, from a verified lineage. */
  readonly governedDigests: ReadonlySet<string>
  readonly judgeCheckpoint: JudgeCheckpoint | null
  /** What the host's report before this one said of its TPM's clock; null for the first. */
  readonly previous: ClockHistory | null
  readonly at: Date
}
