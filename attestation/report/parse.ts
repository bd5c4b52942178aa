import { sha256 } from '../../encoding/digest.ts'
import { WritError } from '../../encoding/error.ts'
import { parsePublicArea, publicAreaFromSized, publicAreaKey } from '../tpm2/structures/index.ts'
import { type CmwCollection, parseCmwCollection } from './cmw.ts'
import { parseDocument } from './document.ts'
import { ReportError } from './error.ts'
import { LAYOUT, REPORT_TYPE, REQUIRED, type ReportLabel } from './layout.ts'
import { pemBlock, pemBlocks, publicKeyPem } from './pem.ts'
import { MAX_REPORT_BYTES, type Report } from './report.ts'

const MAX_INTERMEDIATES = 8

function malformed(label: string, what: string): ReportError {
  return new ReportError('REPORT_MALFORMED', `report: item ${JSON.stringify(label.slice(0, 64))} ${what}`, {
    at: label.slice(0, 64),
  })
}

/**
 * Reads a report. Nothing is verified yet: whatever it says is a claim of whoever sent it. What it holds beyond the labels of its type is
 * refused, since a reader that does not know it could not say whether it is bound to anything.
 *
 * @param file controlled by whoever sent it
 * @throws ReportError
 */
export function parseReport(file: Uint8Array): Report {
  const item = readItems(parseCmwCollection(file, MAX_REPORT_BYTES))
  const required = (label: (typeof REQUIRED)[number]) => item(label) as Buffer
  const document = parseDocument(required('report.json'))
  const executions = required('executions.json')
  const sessionKeySpki = required('session-key.der')
  const imaLog = item('ima.bin')
  const note = item('checkpoint')
  const proof = document.consistencyProof
  if ((note === null) !== (proof === null))
    throw malformed('checkpoint', 'is not there together with its proof')
  return {
    evidence: {
      quote: { attest: required('quote.msg'), signature: required('quote.sig') },
      eventLog: required('eventlog.bin'),
      userspaceLog: item('userspace.jsonseq'),
      // Nothing after what the caller has is a log all the same.
      imaLog: imaLog ?? (document.imaFrom === 0 ? null : Buffer.alloc(0)),
    },
    imaFrom: document.imaFrom,
    binding: {
      nonce: document.nonce,
      treeSize: document.treeSize,
      lineageRoot: document.lineageRoot,
      sessionKeySpkiDigest: sha256(sessionKeySpki),
      referenceValuesDigest: document.referenceValuesDigest,
      executionsDigest: sha256(executions),
    },
    executions,
    sessionKeySpki,
    checkpoint: note && proof && { note, proof },
    growth: document.growth,
    akPublicArea: attestationKey(required('ak.pub'), required('ak.pem')),
    akCertificate: item('ak-certificate.der'),
    ekCertificate: item('ek-certificate.der'),
    ekIntermediates: intermediates(item('ek-intermediates.pem')),
    claimedTier: document.claimedTier,
  }
}

/** The items by their labels, each with the media type and the indicator that its label has, and none missing. */
function readItems({ type, items }: CmwCollection): (label: ReportLabel) => Buffer | null {
  if (type !== REPORT_TYPE) {
    throw new ReportError('REPORT_MALFORMED', `report: a collection of another type than ${REPORT_TYPE}`, {
      at: '__cmwc_t',
    })
  }
  for (const [label, record] of items) {
    if (!Object.hasOwn(LAYOUT, label)) throw malformed(label, 'is none of a report')
    const { type, indicator } = LAYOUT[label as ReportLabel]
    if (record.type !== type) throw malformed(label, `is not of the type ${type}`)
    if (record.indicator !== indicator) throw malformed(label, `does not have the indicator ${indicator}`)
  }
  const missing = REQUIRED.find(label => !items.has(label))
  if (missing !== undefined) throw malformed(missing, 'is missing')
  return label => (items.get(label)?.value as Buffer | undefined) ?? null
}

/** The TPMT_PUBLIC inside a TPM2B_PUBLIC. The same key in PEM, for who checks by hand with OpenSSL, has to be the same key. */
function attestationKey(pub: Buffer, pem: Buffer): Buffer {
  try {
    const area = publicAreaFromSized(pub)
    const same = pem.equals(Buffer.from(publicKeyPem(publicAreaKey(parsePublicArea(area)))))
    if (!same) throw malformed('ak.pem', 'is not the key of ak.pub')
    return area
  } catch (cause) {
    if (cause instanceof ReportError || !(cause instanceof WritError)) throw cause
    throw malformed('ak.pub', `cannot be read: ${cause.message}`)
  }
}

/** DER certificates; whether they are any is seen when a chain is built from them. */
function intermediates(pem: Buffer | null): Buffer[] {
  if (pem === null) return []
  const text = pem.toString('latin1')
  const blocks = pemBlocks('CERTIFICATE', text)
  const again = blocks.map(der => pemBlock('CERTIFICATE', der)).join('')
  if (again !== text) throw malformed('ek-intermediates.pem', 'is not a chain of certificates in PEM')
  if (blocks.length > MAX_INTERMEDIATES)
    throw malformed('ek-intermediates.pem', `has ${blocks.length} certificates`)
  return blocks
}
