import { WritError } from '../../encoding/error.ts'
import { LogReplays } from '../appraisal/replays.ts'
import type { Appraisal } from '../appraise.ts'
import { type AttestationKey, readAttestationKey, type Tier } from '../identity/index.ts'
import { checkCheckpoint, checkExecutions, checkLogs, checkQuote, checkReference } from './evidence-steps.ts'
import type { ReportHistory } from './history.ts'
import { checkClock, checkGrowth, nextHistory } from './history-steps.ts'
import {
  checkAkCertificate,
  checkEkCertificate,
  checkHost,
  checkNonce,
  deriveTier,
} from './identity-steps.ts'
import { type Checked, guarded, type ReportProperty } from './property.ts'
import type { Report } from './report.ts'
import type { ReportTrust } from './trust.ts'

export interface ReportVerification {
  readonly properties: readonly ReportProperty[]
  /** Derived from what verified, never from what the report says of itself. */
  readonly tier: Tier
  /** The AK's Name, null when the report has no usable key. */
  readonly hostId: string | null
  /** The appraisal by the reference values; null when there was none. */
  readonly appraisal: Appraisal | null
  /** What to remember of the host; as it was when nobody vouches for it, or this report's quote or clock does not hold. */
  readonly history: ReportHistory | null
}

/**
 * Verifies a report offline. Each property stands on its own; a report is good when all that was asked for is VERIFIED.
 * Nothing that the report brings along is trusted: keys, roots and reference values come from `trust`. Pure: the same input
 * gives the same result.
 *
 * @param replays kept by whoever verifies many reports; changes nothing but the time it takes
 */
export function verifyReport(
  report: Report,
  trust: ReportTrust,
  replays = new LogReplays(),
): ReportVerification {
  const properties: ReportProperty[] = []
  const check = <T>(name: ReportProperty['name'], step: () => Checked<T>): T | null => {
    const { status, detail, value } = guarded(step)
    properties.push({ name, status, detail })
    return value ?? null
  }
  const ak = readKey(report)
  check('freshness', () => checkNonce(report, trust))
  check('host', () => checkHost(ak, trust))
  const quote = check('quote', () => checkQuote(report, ak))
  const ekDigest = check('AK certificate', () => checkAkCertificate(report, trust, ak))
  const ek = check('EK certificate', () => checkEkCertificate(report, trust, ekDigest))
  check('clock', () => checkClock(quote, trust))
  const attested = check('logs', () => checkLogs(report, trust, quote, replays))
  const appraisal = check('reference values', () => checkReference(report, trust, ak, quote, replays))
  check('executions', () => checkExecutions(report, quote))
  check('lineage checkpoint', () => checkCheckpoint(report, trust, quote, ak))
  check('lineage growth', () => checkGrowth(report, trust, quote))
  const hostId = ak?.name.toString('hex') ?? null
  return {
    properties,
    tier: deriveTier(ek, ekDigest),
    hostId,
    appraisal,
    history: nextHistory(report, trust, { hostId, quote, attested, appraisal, properties }),
  }
}

function readKey(report: Report): AttestationKey | null {
  try {
    return readAttestationKey(report.akPublicArea)
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    return null
  }
}
