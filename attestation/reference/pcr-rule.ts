import * as v from 'valibot'
import { sha256Digest } from './statements.ts'

const pcr = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(15))
const digestList = v.pipe(v.array(sha256Digest), v.maxLength(4096))

/** IMA extends PCR 10, and its entries are no events: a rule over events would judge nothing of what was measured there. */
const pcrOfEvents = v.pipe(
  pcr,
  v.check(number => number !== 10, 'PCR 10 is IMA\'s: its rule is "ima", "value" or "any"'),
)

/** How one PCR is judged. Its value is explained by the logs in each case; what the logs may say differs. */
export const pcrRule = v.variant('rule', [
  /** Every event that extended it has to be accounted for by a statement of the document. */
  v.strictObject({ pcr: pcrOfEvents, rule: v.literal('described') }),
  /** It has one of these values. */
  v.strictObject({ pcr, rule: v.literal('value'), values: v.pipe(digestList, v.minLength(1)) }),
  /** Each event that extended it has one of these digests, in any order and number. */
  v.strictObject({ pcr: pcrOfEvents, rule: v.literal('events'), digests: digestList }),
  /** It is IMA's, and each entry is judged by `ima`. */
  v.strictObject({ pcr: v.literal(10), rule: v.literal('ima') }),
  /** Whatever the logs say. */
  v.strictObject({ pcr, rule: v.literal('any') }),
])
export type PcrRule = v.InferOutput<typeof pcrRule>
