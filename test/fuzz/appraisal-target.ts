import { appraise, parseReferenceValues } from '../../attestation/index.ts'
import { recordedHost } from '../attestation/recorded-host.ts'
import { REFERENCE } from './reference-values.ts'
import type { FuzzTarget } from './target.ts'

const recorded = recordedHost('debian13-uki')

const referenceValues = parseReferenceValues(REFERENCE)
const PARTS = ['attest', 'signature', 'eventLog', 'userspaceLog', 'imaLog'] as const

/** Evidence in which the first byte says which part the rest stands for. */
function appraiseWith(input: Buffer): void {
  const part = PARTS[(input[0] ?? 0) % PARTS.length]
  const bytes = input.subarray(1)
  const { quote, ...logs } = recorded.evidence
  appraise({
    evidence:
      part === 'attest' || part === 'signature'
        ? { ...logs, quote: { ...quote, [part]: bytes } }
        : { quote, ...logs, [part as string]: bytes },
    reference: referenceValues,
    expected: recorded.expected,
    previous: null,
    governedDigests: new Set(),
  })
}

const partSeeds = () => {
  const { quote, eventLog, userspaceLog, imaLog } = recorded.evidence
  return [quote.attest, quote.signature, eventLog, userspaceLog, imaLog.subarray(0, 8 << 10)].map(
    (bytes, i) => Buffer.concat([Buffer.of(i), bytes]),
  )
}

/** Every parser of what comes from outside. */

/** Evidence of which one part is changed. */
export const APPRAISAL_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'appraise',
    seeds: partSeeds(),
    run: appraiseWith,
  },
]
