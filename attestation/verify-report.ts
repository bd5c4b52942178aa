import { sha256Hex } from '../encoding/digest.ts'
import { WritError } from '../encoding/error.ts'
import type { PublicKey } from '../signing/key.ts'
import { matchQuote, readLogs } from './appraisal/logs.ts'
import type { AppraisalReason } from './appraisal/reason.ts'
import { LogReplays } from './appraisal/replays.ts'
import { appraise } from './appraise.ts'
import {
  type AttestationKey,
  readAttestationKey,
  type Tier,
  tier,
  type VerifiedEk,
  verifyAkCertificate,
  verifyEkChain,
} from './identity/index.ts'
import { bindExtraData, type VerifiedQuote, verifyQuote } from './quote/index.ts'
import type { ReferenceValues } from './reference/index.ts'
import type { Report } from './report.ts'
import { QUOTED_SELECTION } from './tpm2/structures/index.ts'

/** What the person who verifies brings. What is null is not checked, and the result says so. */
export interface ReportTrust {
  /** The nonce that was sent: without it, a report may be old. */
  readonly nonce: Uint8Array | null
  /** The host that was asked: the AK's Name, lower-case hexadecimal. */
  readonly hostId: string | null
  /** The operator's key, which certifies attestation keys. */
  readonly operatorKey: PublicKey | null
  /** DER roots for EK certificates. */
  readonly ekRoots: { readonly hardware: readonly Uint8Array[]; readonly other: readonly Uint8Array[] } | null
  readonly reference: ReferenceValues | null
  /** SHA-256 (hex) of programs that the host ran under artifacts, from a verified lineage. */
  readonly governedDigests: ReadonlySet<string>
  readonly at: Date
}

/** One property of a report, in words that stand in the output as they are. */
export interface ReportProperty {
  readonly name:
    | 'freshness'
    | 'host'
    | 'quote'
    | 'AK certificate'
    | 'EK certificate'
    | 'logs'
    | 'reference values'
  readonly status: 'VERIFIED' | 'NOT CHECKED' | 'FAILED'
  readonly detail: string
}

export interface ReportVerification {
  readonly properties: readonly ReportProperty[]
  /** Derived from what verified, never from what the report says of itself. */
  readonly tier: Tier
  /** The AK's Name, null when the report has no usable key. */
  readonly hostId: string | null
}

/**
 * Verifies a report offline. Each property stands on its own; a report is good when all that was asked for is VERIFIED.
 * Nothing that the report brings along is trusted: keys, roots and reference values come from `trust`.
 */
export function verifyReport(report: Report, trust: ReportTrust): ReportVerification {
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
  check('logs', () => checkLogs(report, quote))
  check('reference values', () => checkReference(report, trust, ak))
  return { properties, tier: deriveTier(ek, ekDigest), hostId: ak?.name.toString('hex') ?? null }
}

interface Checked<T> {
  readonly status: ReportProperty['status']
  readonly detail: string
  readonly value?: T
}
const verified = <T>(detail: string, value?: T): Checked<T> =>
  value === undefined ? { status: 'VERIFIED', detail } : { status: 'VERIFIED', detail, value }
const failed = (detail: string): Checked<never> => ({ status: 'FAILED', detail })
const notChecked = <T>(detail: string, value?: T): Checked<T> =>
  value === undefined ? { status: 'NOT CHECKED', detail } : { status: 'NOT CHECKED', detail, value }

function guarded<T>(step: () => Checked<T>): Checked<T> {
  try {
    return step()
  } catch (error) {
    if (!(error instanceof WritError)) throw error
    return failed(error.message)
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

function checkNonce({ binding }: Report, { nonce }: ReportTrust): Checked<never> {
  if (nonce === null) return notChecked('no nonce was given, so the report may be old')
  return Buffer.from(binding.nonce).equals(nonce)
    ? verified('it answers this nonce')
    : failed('it answers another nonce')
}

function checkHost(ak: AttestationKey | null, { hostId }: ReportTrust): Checked<never> {
  if (hostId === null) return notChecked('no host was named')
  return ak?.name.toString('hex') === hostId
    ? verified('it is by the named host')
    : failed('it is by another host')
}

function checkQuote(report: Report, ak: AttestationKey | null): Checked<VerifiedQuote> {
  if (ak === null) return failed('the public area is not that of an attestation key')
  const extraData = bindExtraData({ ...report.binding, domain: 'writ/v1/report' })
  const quote = verifyQuote(report.evidence.quote, { ak, extraData, pcrSelection: QUOTED_SELECTION })
  return verified('the attestation key signed PCR 0 to 15 and the binding', quote)
}

/** @returns the digest of the EK certificate that the operator saw the AK activated under */
function checkAkCertificate(
  { akCertificate }: Report,
  { operatorKey, at }: ReportTrust,
  ak: AttestationKey | null,
): Checked<string> {
  if (operatorKey === null) return notChecked("no operator's key was given")
  if (akCertificate === null) return notChecked('the report has no AK certificate')
  if (ak === null) return failed('the public area is not that of an attestation key')
  const { ekCertificateSha256 } = verifyAkCertificate(akCertificate, operatorKey, ak, at)
  return verified('the operator saw this key activated in a TPM', ekCertificateSha256)
}

function checkEkCertificate(
  report: Report,
  trust: ReportTrust,
  certified: string | null,
): Checked<VerifiedEk> {
  const { ekCertificate, ekIntermediates } = report
  if (trust.ekRoots === null) return notChecked('no EK roots were given')
  if (ekCertificate === null) return notChecked('the report has no EK certificate')
  const ek = verifyEkChain(ekCertificate, {
    hardwareRoots: trust.ekRoots.hardware,
    otherRoots: trust.ekRoots.other,
    intermediates: ekIntermediates,
    at: trust.at,
  })
  if (certified !== null && certified !== sha256Hex(ekCertificate)) {
    return failed('the AK certificate names another EK certificate')
  }
  const chain = `it leads to a root that you trust (${ek.rootKind})`
  // Anybody can attach a stranger's EK certificate to a report.
  if (certified === null) return notChecked(`${chain}, but nothing says that this key is in that TPM`, ek)
  return verified(chain, ek)
}

function checkLogs(report: Report, quote: VerifiedQuote | null): Checked<never> {
  if (quote === null) return failed('there is no quote to compare them with')
  const reasons: AppraisalReason[] = []
  const logs = readLogs(report.evidence, new LogReplays(), reasons)
  const attested = logs && matchQuote(quote, logs, undefined, reasons)
  if (attested === null || reasons.length > 0) return failed(reasons.map(({ message }) => message).join('; '))
  return verified(
    `they replay to the quote; ${attested.imaEntries} of ${attested.ima?.length ?? 0} IMA entries are covered`,
  )
}

function checkReference(report: Report, trust: ReportTrust, ak: AttestationKey | null): Checked<never> {
  const { reference, governedDigests } = trust
  if (reference === null) return notChecked('no reference values were given')
  if (ak === null) return failed('the public area is not that of an attestation key')
  if (Buffer.from(report.binding.referenceValuesDigest).toString('hex') !== reference.digest) {
    return failed('the host judges itself by other reference values')
  }
  const extraData = bindExtraData({ ...report.binding, domain: 'writ/v1/report' })
  const { verdict, reasons } = appraise({
    evidence: report.evidence,
    reference,
    expected: { ak, extraData },
    previous: null,
    governedDigests,
  })
  const detail = reasons.map(({ code, message }) => `${code}: ${message}`).join('; ')
  if (verdict === 'fail') return failed(detail)
  return verified(verdict === 'pass' ? 'the host is as they say' : `degraded: ${detail}`)
}

/** An EK says something about the AK only when the operator certified that both are in one TPM. */
function deriveTier(ek: VerifiedEk | null, ekDigest: string | null): Tier {
  const derived = tier(ek)
  return derived === 'hardware' && ekDigest === null ? 'unknown' : derived
}
