import { type Appraisal, type AppraisalInput, appraise } from '../../attestation/index.ts'
import { type Parts, SyntheticHost } from './synthetic-host.ts'

export const host = new SyntheticHost()
export const reference = host.reference()
export const NONE: ReadonlySet<string> = new Set()

/** Appraises evidence of {@link host} by its own reference values, but for what is given. */
export function judge(of: Parts, over: Partial<AppraisalInput> = {}): Appraisal {
  return appraise({
    evidence: host.evidence(of),
    expected: host.expected,
    reference,
    previous: null,
    governedDigests: NONE,
    ...over,
  })
}

export const codes = (result: Appraisal): string[] => result.reasons.map(({ code }) => code)
