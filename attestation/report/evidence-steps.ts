import { matchQuote, readLogs } from '../appraisal/logs.ts'
import type { AppraisalReason } from '../appraisal/reason.ts'
import type { LogReplays } from '../appraisal/replays.ts'
import { type Appraisal, appraise } from '../appraise.ts'
import type { AttestationKey } from '../identity/index.ts'
import { bindExtraData, judgeClock, REPORT_DOMAIN, type VerifiedQuote, verifyQuote } from '../quote/index.ts'
import { QUOTED_SELECTION } from '../tpm2/structures/index.ts'
import { parseExecutions } from './executions.ts'
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

/** That the TPM's clock goes on from the report before. */
export function checkClock(quote: VerifiedQuote | null, { previous }: ReportTrust): Checked<never> {
  if (previous === null) return notChecked('no earlier report of this host is known')
  if (quote === null) return failed(NO_QUOTE)
  const step = judgeClock(previous, quote.clock)
  if (step.startsWith('rollback-'))
    return failed(`the TPM's ${step.slice('rollback-'.length)} went back since the report before`)
  return verified(`${step} since the report before, reset count ${quote.clock.resetCount}`)
}

export function checkLogs(report: Report, quote: VerifiedQuote | null, replays: LogReplays): Checked<never> {
  if (quote === null) return failed(NO_QUOTE)
  if (report.imaFrom !== 0) return failed(missingPrefix(report.imaFrom))
  const reasons: AppraisalReason[] = []
  const logs = readLogs(report.evidence, replays, reasons)
  const attested = logs && matchQuote(quote, logs, undefined, reasons)
  if (attested === null || reasons.length > 0) return failed(reasons.map(({ message }) => message).join('; '))
  return verified(
    `they replay to the quote; ${attested.imaEntries} of ${attested.ima?.length ?? 0} IMA entries are covered`,
  )
}

function missingPrefix(count: number): string {
  return `the report has the IMA log from entry ${count} on, and the ${count} before it are not known here: ask for the whole log`
}

export function checkReference(
  report: Report,
  trust: ReportTrust,
  ak: AttestationKey | null,
  replays: LogReplays,
): Checked<Appraisal> {
  const { reference, governedDigests, previous } = trust
  if (reference === null) return notChecked('no reference values were given')
  if (ak === null) return failed(NO_KEY)
  if (Buffer.from(report.binding.referenceValuesDigest).toString('hex') !== reference.digest) {
    return failed('the host judges itself by other reference values')
  }
  if (report.imaFrom !== 0) return failed(missingPrefix(report.imaFrom))
  const appraisal = appraise({
    evidence: report.evidence,
    reference,
    expected: { ak, extraData: reportExtraData(report) },
    previous,
    governedDigests,
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
  { judgeCheckpoint }: ReportTrust,
  quote: VerifiedQuote | null,
  ak: AttestationKey | null,
): Checked<never> {
  if (judgeCheckpoint === null) return notChecked('nobody here can read checkpoints')
  if (checkpoint === null) return notChecked('the report has no checkpoint')
  if (quote === null || ak === null) return failed(NO_QUOTE)
  return verified(judgeCheckpoint(checkpoint, { size: binding.treeSize, root: binding.lineageRoot }, ak))
}
