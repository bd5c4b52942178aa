import * as v from 'valibot'
import { digest, integer } from './schema.ts'

/** The claims of a trustworthiness vector, in the order of the draft. */
export const TRUST_CLAIMS = [
  'instance-identity',
  'configuration',
  'executables',
  'file-system',
  'hardware',
  'runtime-opaque',
  'storage-opaque',
  'sourced-data',
] as const
type TrustClaim = (typeof TRUST_CLAIMS)[number]

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
  /** The TPM's count of resets in that evidence: it names one boot of the host. */
  resetCount: v.nullable(integer(0, 0xffff_ffff)),
  /** What the evidence is worth, claim by claim: an AR4SI trustworthiness vector (draft-ietf-rats-ar4si-08, section 2.3). */
  claims: v.nullable(
    v.strictObject(
      Object.fromEntries(TRUST_CLAIMS.map(name => [name, integer(-128, 127)])) as Record<
        TrustClaim,
        ReturnType<typeof integer>
      >,
    ),
  ),
  /** Position of the appraisal in the lineage, in decimal. */
  appraisalIndex: v.nullable(v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,19})$/))),
  reasons: v.pipe(v.array(v.strictObject({ code: shortText, message: v.string() })), v.maxLength(64)),
})
export type GateSnapshot = v.InferOutput<typeof gateSchema>
