import type { PublicKey } from '../../signing/key.ts'
import type { AttestationKey } from '../identity/index.ts'
import type { ReferenceValues } from '../reference/index.ts'
import type { ReportHistory } from './history.ts'
import type { BoundTree, ReportCheckpoint } from './report.ts'

/** What knows of the lineage's format. It belongs to another room, so whoever verifies reports hands it in. */
export interface LineageJudge {
  /**
   * Whether the attestation key signed a checkpoint, and the tree that the quote binds goes on from it.
   *
   * @param checkpoint controlled by the host
   * @returns what holds, in words
   * @throws WritError when it does not hold
   */
  checkpoint(checkpoint: ReportCheckpoint, bound: BoundTree, ak: AttestationKey): string
  /** Whether the proof, which the host controls, shows that one tree goes on from another. */
  goesOn(from: BoundTree, to: BoundTree, proof: readonly Uint8Array[]): boolean
}

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
  readonly lineage: LineageJudge | null
  /** What is remembered of the host from its reports before; null when nothing is. */
  readonly history: ReportHistory | null
  readonly at: Date
}
