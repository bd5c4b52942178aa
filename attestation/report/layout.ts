import { INDICATOR } from './cmw.ts'

/** `__cmwc_t` of a report: which labels there are, and what they mean. */
export const REPORT_TYPE = 'tag:writ.dev,2026:report:v1'

interface Item {
  /** Media type. */
  readonly type: string
  readonly indicator: number
}

const { evidence, endorsements } = INDICATOR

/**
 * The items of a report. Each label is the name of the file that the item is when it is unpacked: those that tpm2-tools read have
 * their names and their form.
 */
export const LAYOUT = {
  /** What cannot be read from the other items: `document.ts`. */
  'report.json': { type: 'application/vnd.writ.report.v1+json', indicator: evidence },
  /** TPMS_ATTEST, as of `tpm2_quote --message`. */
  'quote.msg': { type: 'application/vnd.writ.tpms-attest', indicator: evidence },
  /** TPMT_SIGNATURE, as of `tpm2_quote --signature --format tss`. */
  'quote.sig': { type: 'application/vnd.writ.tpmt-signature', indicator: evidence },
  /** TPM2B_PUBLIC, as of `tpm2_createak --public --format tss`. */
  'ak.pub': { type: 'application/vnd.writ.tpm2b-public', indicator: evidence },
  /** The same key as SubjectPublicKeyInfo, for OpenSSL. */
  'ak.pem': { type: 'application/x-pem-file', indicator: evidence },
  /** TCG event log of the firmware, as in securityfs. */
  'eventlog.bin': { type: 'application/vnd.writ.tcg-event-log', indicator: evidence },
  /** systemd's log, RFC 7464. */
  'userspace.jsonseq': { type: 'application/json-seq', indicator: evidence },
  /** IMA's log in the kernel's binary form, as in securityfs, or the part of it that begins at an entry. */
  'ima.bin': { type: 'application/vnd.writ.ima-log', indicator: evidence },
  'executions.json': { type: 'application/vnd.writ.executions.v1+json', indicator: evidence },
  /** C2SP signed note. */
  checkpoint: { type: 'application/vnd.writ.checkpoint', indicator: evidence },
  /** SubjectPublicKeyInfo, DER. */
  'session-key.der': { type: 'application/vnd.writ.public-key', indicator: evidence },
  'ak-certificate.der': { type: 'application/pkix-cert', indicator: endorsements },
  'ek-certificate.der': { type: 'application/pkix-cert', indicator: endorsements },
  'ek-intermediates.pem': { type: 'application/pem-certificate-chain', indicator: endorsements },
} as const satisfies Readonly<Record<string, Item>>

export type ReportLabel = keyof typeof LAYOUT

/** Every report has these. */
export const REQUIRED: readonly ReportLabel[] = [
  'report.json',
  'quote.msg',
  'quote.sig',
  'ak.pub',
  'ak.pem',
  'eventlog.bin',
  'executions.json',
  'session-key.der',
]
