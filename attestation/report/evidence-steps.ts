import { type AttestedLogs, matchQuote, readLogs } from '../appraisal/logs.ts'
import type { AppraisalReason } from '../appraisal/reason.ts'
import type { LogReplays } from '../appraisal/replays.ts'
import { type Appraisal, appraise } from '../appraise.ts'
import { isQuirkName } from '../eventlog/index.ts'
import type { AttestationKey } from '../identity/index.ts'
import { bindExtraData, REPORT_DOMAIN, type VerifiedQuote, verifyQuote } from '../quote/index.ts'
import { QUOTED_SELECTION } from '../tpm2/structures/index.ts'
import { parseExecutions } from './executions.ts'
import { imaBefore } from './history-steps.ts'
import { NO_KEY } from './identity-steps.ts'
import { type Checked, failed, notChecked, verified } from './property.ts'
import type { Report } from './report.ts'
import type { ReportTrust } from './trust.ts'

const NO_QUOTE = 'there is no quote to compare it with'

/** The extraData that a report's quote has to have. */
export function reportExtraData({ binding }: Pick<Report, 'binding'>): Buffer {
  return bindExtraData({ ...binding, domain: REPORT_DOMAIN })
}

export function checkQuote(report: Report, ak: AttestationKey | null): Checked<VerifiedQuote> {
  if (ak === null) return failed(NO_KEY)
  const extraData = reportExtraData(report)
  const quote = verifyQuote(report.evidence.quote, { ak, extraData, pcrSelection: QUOTED_SELECTION })
  return verified('the attestation key signed PCR 0 to 15 and the binding', quote)
}

/** @returns what the quote covers of the logs */
export function checkLogs(
  report: Report,
  trust: ReportTrust,
  quote: VerifiedQuote | null,
  replays: LogReplays,
): Checked<AttestedLogs> {
  if (quote === null) return failed(NO_QUOTE)
  const before = imaBefore(report, trust, quote)
  if (typeof before === 'string') return failed(before)
  const reasons: AppraisalReason[] = []
  const quirks = (trust.reference?.document.quirks ?? []).filter(isQuirkName)
  const logs = readLogs(report.evidence, replays, reasons, before, quirks)
  const attested = logs && matchQuote(quote, logs, undefined, reasons)
  if (attested === null || reasons.length > 0) return failed(reasons.map(({ message }) => message).join('; '))
  const { ima, imaEntries } = attested
  const from = before === null ? '' : `, the first ${before.entries} by a report before`
  return verified(
    `they replay to the quote; ${imaEntries} of ${ima?.length ?? 0} IMA entries are covered${from}`,
    attested,
  )
}

export function checkReference(
  report: Report,
  trust: ReportTrust,
  ak: AttestationKey | null,
  quote: VerifiedQuote | null,
  replays: LogReplays,
): Checked<Appraisal> {
  const { reference, governedDigests, history } = trust
  if (reference === null) return notChecked('no reference values were given')
  if (ak === null) return failed(NO_KEY)
  if (Buffer.from(report.binding.referenceValuesDigest).toString('hex') !== reference.digest) {
    return failed('the host judges itself by other reference values')
  }
  const before = quote && imaBefore(report, trust, quote)
  if (typeof before === 'string') return failed(before)
  const appraisal = appraise({
    evidence: report.evidence,
    reference,
    expected: { ak, extraData: reportExtraData(report) },
    previous: history?.clock ?? null,
    governedDigests,
    imaBefore: before,
    replays,
  })
  const { verdict, reasons } = appraisal
  const detail = reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
  if (verdict === 'fail') return { ...failed(detail), value: appraisal }
  return verified(verdict === 'pass' ? 'the host is as they say' : `degraded: ${detail}`, appraisal)
}

/** The list of executions is the daemon's word: the quote says that it was given with this report, the reference values which daemon that is. */
export function checkExecutions(report: Report, quote: VerifiedQuote | null): Checked<never> {
  if (quote === null) return failed(NO_QUOTE)
  const { running, executions } = parseExecutions(report.executions)
  return verified(`${executions.length} of ${running} that run are listed, and the quote binds the list`)
}

export function checkCheckpoint(
  { checkpoint, binding }: Report,
  { lineage }: ReportTrust,
  quote: VerifiedQuote | null,
  ak: AttestationKey | null,
): Checked<never> {
  if (lineage === null) return notChecked('nobody here can read checkpoints')
  if (checkpoint === null) return notChecked('the report has no checkpoint')
  if (quote === null || ak === null) return failed(NO_QUOTE)
  return verified(lineage.checkpoint(checkpoint, { size: binding.treeSize, root: binding.lineageRoot }, ak))
}
