import type { AttestationKey } from '../../attestation/index.ts'
import { WritError } from '../../encoding/error.ts'
import type { Checkpoint, LineageEvent } from '../../lineage/index.ts'
import type { PropertyResult } from '../verify/property.ts'
import type { LogEntry } from '../verify/steps.ts'

/** Something that exists and is not for this caller to see, or existed and is not kept any longer. */
export class Unseen extends WritError<'UNSEEN'> {
  constructor(message: string) {
    super('UNSEEN', message)
  }
}

/** Where a request is looked up: an exported bundle, or a running daemon. All that comes from it may be made up. */
export interface RequestSource {
  readonly where: 'bundle' | 'daemon'
  /** Entries from `from` up to, not including, `to` (to the end if it is left out), as far as they may be seen. */
  read(from: number, to?: number): AsyncIterable<LogEntry>
  /** The position of the decision on an execution; null if none may be seen. */
  decisionOf(executionId: string): Promise<number | null>
  /** A blob that an entry carries or names, checked against its digest. @throws Unseen, or what keeps it from being read */
  blob(event: LineageEvent, digest: string): Promise<Buffer>
  /** A checkpoint over at least `size` entries if that can be had, else the newest; null if there is none. */
  checkpoint(size: number): Promise<Checkpoint | null>
  /** The path from an entry up to the root of that tree. */
  inclusion(index: number, size: number): Promise<readonly Buffer[]>
  /** Whether the tree of the checkpoint goes on from a tree of this size and root. */
  goesOnFrom(head: { size: number; root: Buffer }, checkpoint: Checkpoint): Promise<boolean>
}

/** A source, and what could be said of it as a whole. */
export interface OpenedSource {
  readonly source: RequestSource
  /** Only if something that the caller brings vouches for it. */
  readonly ak: AttestationKey | null
  /** Whether a chain to a root of a maker of hardware TPMs, which the caller brings, says that the TPM is hardware. */
  readonly hardware: boolean
  readonly properties: readonly PropertyResult[]
  /** All entries, where all were read and hashed into the signed root; null where they were not. */
  readonly log: readonly LogEntry[] | null
}
