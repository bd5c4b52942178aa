import { sha256Hex } from '../../encoding/digest.ts'
import {
  type AttestationKey,
  type Tier,
  tier,
  type VerifiedEk,
  verifyAkCertificate,
  verifyEkChain,
} from '../identity/index.ts'
import { isNonceKnown } from './history.ts'
import { type Checked, failed, notChecked, verified } from './property.ts'
import type { Report } from './report.ts'
import type { ReportTrust } from './trust.ts'

export const NO_KEY = 'the public area is not that of an attestation key'

export function checkNonce({ binding }: Report, { nonce, history }: ReportTrust): Checked<never> {
  if (nonce === null) return notChecked('no nonce was given, so the report may be old')
  if (history !== null && isNonceKnown(history, nonce)) {
    return failed('this nonce was answered before: draw a new one for each report')
  }
  return Buffer.from(binding.nonce).equals(nonce)
    ? verified('it answers this nonce')
    : failed('it answers another nonce')
}

export function checkHost(ak: AttestationKey | null, { hostId }: ReportTrust): Checked<never> {
  if (hostId === null) return notChecked('no host was named')
  return ak?.name.toString('hex') === hostId
    ? verified('it is by the named host')
    : failed('it is by another host')
}

/** @returns the digest of the EK certificate that the operator saw the AK activated under */
export function checkAkCertificate(
  { akCertificate }: Report,
  { operatorKey, at }: ReportTrust,
  ak: AttestationKey | null,
): Checked<string> {
  if (operatorKey === null) return notChecked("no operator's key was given")
  if (akCertificate === null) return notChecked('the report has no AK certificate')
  if (ak === null) return failed(NO_KEY)
  const { ekCertificateSha256 } = verifyAkCertificate(akCertificate, operatorKey, ak, at)
  return verified('the operator saw this key activated in a TPM', ekCertificateSha256)
}

export function checkEkCertificate(
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

/** An EK says something about the AK only when the operator certified that both are in one TPM. */
export function deriveTier(ek: VerifiedEk | null, ekDigest: string | null): Tier {
  const derived = tier(ek)
  return derived === 'hardware' && ekDigest === null ? 'unknown' : derived
}
