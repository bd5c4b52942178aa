import type { DecisionRecord } from '../../authorization/index.ts'
import { tierLabel } from '../tier.ts'
import type { EntryOf } from './find.ts'
import type { OpenedSource } from './source.ts'

/** What the gate stood on when it was looked at. */
export interface FoundEvidence {
  readonly state: string
  readonly epoch: number
  /** Null while no evidence counted. */
  readonly ageMs: number | null
  readonly referenceValues: string | null
  /** What kind of TPM; hardware only as far as a chain that the caller trusts says so. */
  readonly tier: string
  /** Position of the appraisal; null while no evidence counted. */
  readonly entry: number | null
  /** Null when it may not be seen. */
  readonly appraisal: EntryOf<'appraisal'> | null
  readonly reasons: readonly { readonly code: string; readonly message: string }[]
}

/** The evidence that a decision names; null when its record is not known. */
export async function findEvidence(
  { source, hardware }: OpenedSource,
  record: DecisionRecord | null,
): Promise<FoundEvidence | null> {
  const gate = record?.inputs?.gate
  if (gate === undefined) return null
  const { state, epoch, evidenceAgeMs, referenceValuesDigest, tier, appraisalIndex, reasons } = gate
  const entry = appraisalIndex === null ? null : Number(appraisalIndex)
  let appraisal: FoundEvidence['appraisal'] = null
  if (entry !== null) {
    for await (const { index, event } of source.read(entry, entry + 1)) {
      if (event.type === 'appraisal') appraisal = { index, event }
    }
  }
  const said = tier === 'hardware' && !hardware ? `${tierLabel(tier)}, as the daemon says` : tierLabel(tier)
  return {
    ...{ state, epoch, ageMs: evidenceAgeMs, referenceValues: referenceValuesDigest, tier: said },
    ...{ entry, appraisal, reasons },
  }
}
