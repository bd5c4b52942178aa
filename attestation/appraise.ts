import { type AppraisedMatter, type TrustVector, trustVector } from './appraisal/claims.ts'
import { type AttestedLogs, matchQuote, readLogs } from './appraisal/logs.ts'
import { judgePcrs } from './appraisal/pcr-judgement.ts'
import {
  type AppraisalReason,
  abridge,
  attempt,
  failure,
  type Verdict,
  verdictOf,
} from './appraisal/reason.ts'
import { LogReplays } from './appraisal/replays.ts'
import { isQuirkName } from './eventlog/index.ts'
import type { Evidence } from './evidence.ts'
import type { Tier } from './identity/tier.ts'
import { IMA_PCR, type ImaPosition } from './ima/index.ts'
import {
  type ClockHistory,
  type ClockStep,
  checkQuote as checkQuoteOf,
  type EnrolledAk,
  firmwareChanged,
  formatFirmwareVersion,
  judgeClock,
  QuoteError,
  type QuoteQuestion,
  type VerifiedQuote,
  verifyQuote,
} from './quote/index.ts'
import type { ReferenceValues } from './reference/document.ts'
import { type ClockInfo, QUOTED_SELECTION } from './tpm2/structures/index.ts'

/**
 * The enrolled key; or a key that somebody trusts on grounds of their own, of which attributes and Name may not be known: then all that
 * the appraisal says holds only as far as that key attests.
 */
export type ExpectedSigner =
  | { readonly ak: EnrolledAk; readonly extraData: Uint8Array }
  | Pick<QuoteQuestion, 'key' | 'signatureFormat' | 'extraData'>

/** What an appraisal is made from. */
export interface AppraisalInput {
  readonly evidence: Evidence
  readonly reference: ReferenceValues
  /** The key that the verifier trusts, and the extraData that it asked for. */
  readonly expected: ExpectedSigner
  /** `history` of the last appraisal of this TPM, null for the first. */
  readonly previous: ClockHistory | null
  /** SHA-256 (lower-case hexadecimal) of the subjects of every START in the lineage: excused from the launcher's memfd and at absolute paths. */
  readonly governedDigests: Pick<ReadonlySet<string>, 'has'>
  /**
   * Where `evidence.imaLog` goes on, if it is not whole: the entries before it were covered by an earlier quote of this boot, and passed by
   * these same reference values and governed digests. Never what the host says.
   */
  readonly imaBefore?: ImaPosition | null
  /** Kept by whoever appraises the same host again and again. Changes nothing but the time it takes. */
  readonly replays?: LogReplays
  /** PCR values read beside the quote, untrusted: they only help to name the PCR that does not match. */
  readonly claimedPcrs?: ReadonlyMap<number, Uint8Array>
  /** Derived from a verified EK certificate; bears on the claim on the hardware only. */
  readonly tier?: Tier
}

/** The attestation result. */
export interface Appraisal {
  readonly verdict: Verdict
  readonly reasons: readonly AppraisalReason[]
  /** What the evidence is worth, claim by claim (AR4SI). */
  readonly claims: TrustVector
  /** SHA-256 of the reference values. */
  readonly referenceValuesDigest: string
  /** Null when the quote proves nothing; then nothing below is attested. */
  readonly clock: ClockInfo | null
  readonly clockStep: ClockStep | null
  /** 16 hexadecimal digits. */
  readonly firmwareVersion: string | null
  /** What to judge the next quote against. A quote that proves nothing, or goes back, does not change it. */
  readonly history: ClockHistory | null
  /** The quoted PCR values by number, in hexadecimal; empty when the logs do not explain the quote. */
  readonly pcrs: Readonly<Record<string, string>>
  /** IMA entries that the quote covers. Those after them are not attested yet, which is normal. */
  readonly imaAttestedEntries: number
  readonly imaEntries: number
  readonly secureBoot: boolean | null
}

/**
 * Judges evidence by reference values. Pure: the same input gives the same result, and nothing that a host sends makes it
 * throw. Only what the verified quote covers is judged; a log that the quote does not explain is not evidence of anything.
 */
export function appraise(input: AppraisalInput): Appraisal {
  const { evidence, reference, previous, replays = new LogReplays() } = input
  const reasons: AppraisalReason[] = []

  const quote = attempt(reasons, QuoteError, () => checkQuote(input))
  const clockStep = quote && checkClock(previous, quote, reasons)
  if (quote !== null) checkFirmware(input, quote, reasons)

  const quirks = reference.document.quirks.filter(isQuirkName)
  const logs = readLogs(evidence, replays, reasons, input.imaBefore, quirks)
  const attested = quote && logs && matchQuote(quote, logs, input.claimedPcrs, reasons)
  if (attested !== null) {
    reasons.push(...judgePcrs(attested, reference, replays))
    checkSecureBoot(reference, attested, reasons)
    noteQuirks(attested, reasons)
    checkIma(input, attested, replays, reasons)
  }

  return {
    verdict: verdictOf(reasons),
    reasons: abridge(reasons),
    claims: trustVector(reasons, matterOf(input, quote !== null, attested !== null)),
    referenceValuesDigest: reference.digest,
    clock: quote?.clock ?? null,
    clockStep,
    firmwareVersion: quote && formatFirmwareVersion(quote.firmwareVersion),
    history: nextHistory(previous, quote, clockStep),
    pcrs: Object.fromEntries(
      Array.from(attested?.pcrs ?? [], ([pcr, value]) => [pcr, value.toString('hex')]),
    ),
    imaAttestedEntries: attested?.imaEntries ?? 0,
    imaEntries: logs?.ima?.length ?? 0,
    secureBoot: attested?.boot.replay.secureBoot ?? null,
  }
}

/** A defect that was put up with is worth a line: an update of the firmware may have mended it. */
function noteQuirks({ boot }: AttestedLogs, reasons: AppraisalReason[]): void {
  for (const quirk of boot.quirks) {
    const message = `the event log is read with the quirk ${quirk}`
    reasons.push({ code: 'EVENT_LOG_QUIRK', severity: 'notice', message })
  }
}

/** What the reference values leave to `any`, or exclude, is not claimed. */
function matterOf({ reference, tier }: AppraisalInput, quote: boolean, logs: boolean): AppraisedMatter {
  const { document, ima } = reference
  const { firmware, secureBoot, bootImages, commandLines, bootFiles } = document
  const isJudged = (pcr: number, said: unknown): boolean => {
    const rule = reference.pcrs.get(pcr)?.rule ?? 'any'
    return rule === 'described' ? said !== 'any' : rule !== 'any'
  }
  const allOf = (statements: readonly (readonly [pcr: number, said: unknown])[]): boolean =>
    statements.every(([pcr, said]) => isJudged(pcr, said))
  const { enabled, db } = secureBoot
  return {
    quote,
    logs,
    boot: allOf([
      [0, firmware],
      [2, firmware],
      [4, bootImages],
      [9, bootFiles],
      [11, null],
    ]),
    files: reference.pcrs.get(IMA_PCR)?.rule === 'ima' && ima.exclude.length === 0,
    configuration:
      enabled !== 'any' &&
      allOf([
        [1, null],
        [3, null],
        [5, null],
        [7, db],
        [8, commandLines],
        [12, commandLines],
      ]),
    tier,
  }
}

function checkQuote({ evidence, expected }: AppraisalInput): VerifiedQuote {
  return 'key' in expected
    ? checkQuoteOf(evidence.quote, { ...expected, pcrs: { exactly: QUOTED_SELECTION } })
    : verifyQuote(evidence.quote, { ...expected, pcrSelection: QUOTED_SELECTION })
}

function checkClock(
  previous: ClockHistory | null,
  quote: VerifiedQuote,
  reasons: AppraisalReason[],
): ClockStep {
  const step = judgeClock(previous, quote.clock)
  switch (step) {
    case 'rollback-reset':
    case 'rollback-restart':
    case 'rollback-clock':
      reasons.push(
        failure(
          'CLOCK_ROLLED_BACK',
          `the TPM's ${step.slice('rollback-'.length)} went back since the last quote`,
          'clockInfo',
        ),
      )
      break
    case 'rebooted':
      reasons.push({
        code: 'HOST_REBOOTED',
        severity: 'notice',
        message: 'the TPM was reset since the last quote',
      })
      break
    case 'restarted':
      reasons.push({
        code: 'HOST_RESTARTED',
        severity: 'notice',
        message: 'the TPM resumed since the last quote',
      })
      break
    case 'first':
    case 'running':
      break
  }
  if (!quote.clock.safe) {
    reasons.push({
      code: 'CLOCK_NOT_SAFE',
      severity: 'degrade',
      message: 'the TPM lost power without a shutdown; its clock may be behind what it was',
      at: 'clockInfo',
    })
  }
  return step
}

/** Another firmware holds the keys from now on: a trust transition, and less than a pass unless governance listed it. */
function checkFirmware(input: AppraisalInput, quote: VerifiedQuote, reasons: AppraisalReason[]): void {
  const version = formatFirmwareVersion(quote.firmwareVersion)
  const listed = input.reference.document.firmwareVersions
  if (listed !== 'any' && !listed.includes(version)) {
    reasons.push(
      failure(
        'TPM_FIRMWARE_UNKNOWN',
        `TPM firmware ${version} is not listed`,
        'firmwareVersion',
        listed.join(', '),
      ),
    )
  }
  if (firmwareChanged(input.previous, quote.firmwareVersion)) {
    reasons.push({
      code: 'TPM_FIRMWARE_CHANGED',
      severity: listed === 'any' ? 'degrade' : 'notice',
      message: `the TPM's firmware changed to ${version}`,
      at: 'firmwareVersion',
    })
  }
}

function checkSecureBoot(
  reference: ReferenceValues,
  attested: AttestedLogs,
  reasons: AppraisalReason[],
): void {
  const wanted = reference.document.secureBoot.enabled
  const { secureBoot, exitBootServices } = attested.boot.replay
  if (wanted !== 'any' && secureBoot !== wanted) {
    const is = secureBoot === null ? 'not measured' : secureBoot ? 'on' : 'off'
    reasons.push(failure('SECURE_BOOT_MISMATCH', `Secure Boot is ${is}`, 'PCR 7', wanted ? 'on' : 'off'))
  }
  if (!exitBootServices) {
    reasons.push({
      code: 'EXIT_BOOT_SERVICES_MISSING',
      severity: 'notice',
      message: 'the event log has no end of the boot services',
    })
  }
}

/** Judges the entries that the quote covers, where a rule hands PCR 10 to IMA. */
function checkIma(
  { reference, governedDigests }: AppraisalInput,
  { ima, imaEntries, boot }: AttestedLogs,
  replays: LogReplays,
  reasons: AppraisalReason[],
): void {
  if (reference.pcrs.get(IMA_PCR)?.rule !== 'ima') return
  if (ima === null) {
    reasons.push(failure('IMA_LOG_MISSING', 'there is no IMA log', 'PCR 10'))
    return
  }
  reasons.push(...replays.imaJudgement(ima, reference, boot).judge(imaEntries, governedDigests))
}

function nextHistory(
  previous: ClockHistory | null,
  quote: VerifiedQuote | null,
  step: ClockStep | null,
): ClockHistory | null {
  if (quote === null || step?.startsWith('rollback-')) return previous
  const { clock, resetCount, restartCount } = quote.clock
  return { clock, resetCount, restartCount, firmwareVersion: quote.firmwareVersion }
}
