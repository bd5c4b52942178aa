import type { AttestedLogs } from '../appraisal/logs.ts'
import type { Appraisal } from '../appraise.ts'
import type { ImaPosition } from '../ima/index.ts'
import { type ClockHistory, judgeClock, type VerifiedQuote } from '../quote/index.ts'
import { knownIma, type ReportHistory, withNonce } from './history.ts'
import { type Checked, failed, notChecked, type ReportProperty, verified } from './property.ts'
import type { Report } from './report.ts'
import type { ReportTrust } from './trust.ts'

/** That the TPM's clock goes on from the report before. */
export function checkClock(quote: VerifiedQuote | null, { history }: ReportTrust): Checked<never> {
  if (history === null) return notChecked('no earlier report of this host is known')
  if (quote === null) return failed('there is no quote to compare it with')
  const step = judgeClock(history.clock, quote.clock)
  if (step.startsWith('rollback-'))
    return failed(`the TPM's ${step.slice('rollback-'.length)} went back since the report before`)
  return verified(`${step} since the report before, reset count ${quote.clock.resetCount}`)
}

/** That the lineage goes on from what the report before was bound to. */
export function checkGrowth(
  { binding, growth }: Report,
  { lineage, history }: ReportTrust,
  quote: VerifiedQuote | null,
): Checked<never> {
  if (history === null) return notChecked('no earlier report of this host is known')
  if (quote === null) return failed('there is no quote to compare it with')
  const { tree } = history
  const bound = { size: binding.treeSize, root: binding.lineageRoot }
  if (bound.size < tree.size)
    return failed(`it has ${bound.size} entries, and had ${tree.size} in the report before`)
  if (bound.size === tree.size) {
    return Buffer.from(tree.root).equals(bound.root)
      ? verified(`the same ${tree.size} entries as before`)
      : failed(`other ${tree.size} entries than in the report before`)
  }
  if (lineage === null) return notChecked('nobody here can read proofs')
  if (growth === null || growth.from !== tree.size) {
    return notChecked(
      `the report does not prove that it goes on from the ${tree.size} entries before: ask with --known`,
    )
  }
  return lineage.goesOn(tree, bound, growth.proof)
    ? verified(`${bound.size} entries that go on from the ${tree.size} of the report before`)
    : failed(`it does not go on from the ${tree.size} entries of the report before`)
}

/**
 * What the report's IMA log goes on from: nothing for a whole one, or what is known of this boot and was judged as it is to be judged
 * now. A text says why a part cannot be judged here.
 */
export function imaBefore(
  report: Report,
  trust: ReportTrust,
  quote: VerifiedQuote,
): ImaPosition | null | string {
  const { imaFrom } = report
  if (imaFrom === 0) return null
  const known = trust.history?.ima ?? null
  const missing = (why: string) =>
    `the report has the IMA log from entry ${imaFrom} on, and ${why}: ask for the whole log`
  if (known === null) return missing('nothing of the log before is known here')
  if (known.resetCount !== quote.clock.resetCount) return missing('what is known here is of another boot')
  if (known.entries !== imaFrom) return missing(`${known.entries} entries are known here`)
  if (trust.reference !== null && known.reference !== trust.reference.digest)
    return missing('the entries before were judged by other reference values')
  if (!known.governed.every(digest => trust.governedDigests.has(digest)))
    return missing('the entries before were judged with other governed programs')
  return known
}

/** What a verification found, as far as it is to be remembered. */
interface Found {
  readonly hostId: string | null
  readonly quote: VerifiedQuote | null
  readonly attested: AttestedLogs | null
  readonly appraisal: Appraisal | null
  readonly properties: readonly ReportProperty[]
}

/**
 * What to remember of the host after this report. A report that is not by a host that somebody vouches for, or whose quote or clock does not hold,
 * changes nothing; one whose logs do not pass does not move the position in the IMA log.
 */
export function nextHistory(report: Report, trust: ReportTrust, found: Found): ReportHistory | null {
  const { history } = trust
  const { hostId, quote, properties } = found
  const is = (name: ReportProperty['name'], status: ReportProperty['status']) =>
    properties.some(property => property.name === name && property.status === status)
  const vouched = is('host', 'VERIFIED') || is('AK certificate', 'VERIFIED')
  if (hostId === null || quote === null || !vouched || is('clock', 'FAILED')) return history
  const nonces = history?.nonces ?? []
  const goesBack = is('lineage growth', 'FAILED')
  return {
    hostId,
    clock: clockOf(quote),
    nonces: is('freshness', 'VERIFIED') ? withNonce(nonces, report.binding.nonce) : nonces,
    // A log that went back or was forked is told at every report until somebody looks.
    tree:
      goesBack && history !== null
        ? history.tree
        : { size: report.binding.treeSize, root: report.binding.lineageRoot },
    ima: nextIma(report, trust, found, quote),
  }
}

function nextIma(
  { evidence }: Report,
  trust: ReportTrust,
  found: Found,
  quote: VerifiedQuote,
): ReportHistory['ima'] {
  const { resetCount } = quote.clock
  const kept = trust.history?.ima?.resetCount === resetCount ? trust.history.ima : null
  const { attested, appraisal, properties } = found
  const failedBy = properties.some(
    ({ name, status }) => status === 'FAILED' && (name === 'logs' || name === 'reference values'),
  )
  const pcr10 = attested?.pcrs.get(10)
  // What speaks against an entry without failing it has to be said again at each report.
  const remark = appraisal?.reasons.some(
    ({ severity, at }) => severity === 'degrade' && at?.startsWith('entry '),
  )
  if (failedBy || remark || attested === null || pcr10 === undefined || evidence.imaLog === null) return kept
  return knownIma({
    entries: attested.imaEntries,
    pcr10,
    resetCount,
    reference: trust.reference?.digest ?? null,
    governed: [...trust.governedDigests].sort(),
  })
}

function clockOf({ clock, firmwareVersion }: VerifiedQuote): ClockHistory {
  return {
    clock: clock.clock,
    resetCount: clock.resetCount,
    restartCount: clock.restartCount,
    firmwareVersion,
  }
}
