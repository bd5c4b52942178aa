import * as v from 'valibot'
import { digest, integer } from './schema.ts'

const shortText = v.pipe(v.string(), v.maxLength(300))
const milliseconds = integer(0, Number.MAX_SAFE_INTEGER)

/** One look at the trust gate, and which appraisal it stands on. */
export const gateSchema = v.strictObject({
  state: v.picklist(['UNATTESTED', 'ATTESTED', 'STALE', 'FAILED']),
  epoch: integer(0, Number.MAX_SAFE_INTEGER),
  /** Age of the evidence at the decision; null while none counts. */
  evidenceAgeMs: v.nullable(milliseconds),
  /** Time that is left until the evidence no longer counts; null while none does. */
  deadlineInMs: v.nullable(milliseconds),
  referenceValuesDigest: v.nullable(digest),
  tier: v.picklist(['hardware', 'simulated', 'unknown']),
  /** Position of the appraisal in the lineage, in decimal. */
  appraisalIndex: v.nullable(v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,19})$/))),
  reasons: v.pipe(v.array(v.strictObject({ code: shortText, message: v.string() })), v.maxLength(64)),
})
export type GateSnapshot = v.InferOutput<typeof gateSchema>
