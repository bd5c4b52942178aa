import { sha256 } from '../../encoding/digest.ts'
import { parsePublicArea, publicAreaKey } from '../tpm2/structures/index.ts'
import { type CmwRecord, encodeCmwCollection } from './cmw.ts'
import { encodeDocument } from './document.ts'
import { ReportError } from './error.ts'
import { LAYOUT, REPORT_TYPE, type ReportLabel } from './layout.ts'
import { pemBlock, publicKeyPem } from './pem.ts'
import { MAX_REPORT_BYTES, type Report } from './report.ts'

/** More than what stands around the items. */
const MAX_OVERHEAD_BYTES = 4096

/** A TPM2B: the size in two bytes, big-endian, and the bytes. */
function sized(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes])
}

/**
 * The report as files by name, those that it does not have left out.
 *
 * @throws TypeError when the binding is not of this session key and these executions (a programmer's mistake)
 */
export function reportFiles(report: Report): ReadonlyMap<ReportLabel, Uint8Array> {
  const { evidence, binding, ekIntermediates } = report
  checkDigest(report.executions, binding.executionsDigest, 'executions')
  checkDigest(report.sessionKeySpki, binding.sessionKeySpkiDigest, 'session key')
  const akKey = publicAreaKey(parsePublicArea(report.akPublicArea))
  const files: Record<ReportLabel, Uint8Array | null> = {
    'report.json': encodeDocument(report),
    'quote.msg': evidence.quote.attest,
    'quote.sig': evidence.quote.signature,
    'ak.pub': sized(report.akPublicArea),
    'ak.pem': Buffer.from(publicKeyPem(akKey)),
    'eventlog.bin': evidence.eventLog,
    'userspace.jsonseq': evidence.userspaceLog,
    'ima.bin': evidence.imaLog,
    'executions.json': report.executions,
    checkpoint: report.checkpoint?.note ?? null,
    'session-key.der': report.sessionKeySpki,
    'ak-certificate.der': report.akCertificate,
    'ek-certificate.der': report.ekCertificate,
    'ek-intermediates.pem': Buffer.from(ekIntermediates.map(der => pemBlock('CERTIFICATE', der)).join('')),
  }
  const present = Object.entries(files).filter((entry): entry is [ReportLabel, Uint8Array] => {
    return entry[1] !== null && entry[1].length > 0
  })
  return new Map(present)
}

function checkDigest(bytes: Buffer, digest: Uint8Array, what: string): void {
  if (!sha256(bytes).equals(digest)) throw new TypeError(`the binding is of another ${what}`)
}

/**
 * The bytes of a report file, piece by piece: a CMW collection in JSON (RFC 9999).
 *
 * @throws ReportError `REPORT_TOO_LARGE`
 */
export function encodeReportPieces(report: Report): Generator<Buffer, void> {
  const records = Array.from(reportFiles(report), ([label, value]): [string, CmwRecord] => {
    return [label, { ...LAYOUT[label], value }]
  })
  const bytes = records.reduce((sum, [, { value }]) => sum + Math.ceil((value.length * 4) / 3), 0)
  if (bytes > MAX_REPORT_BYTES - MAX_OVERHEAD_BYTES) {
    throw new ReportError(
      'REPORT_TOO_LARGE',
      `the report would have ${bytes} bytes, at most ${MAX_REPORT_BYTES} are read`,
    )
  }
  return encodeCmwCollection({ type: REPORT_TYPE, items: new Map(records) })
}

/** The bytes of a report file. @throws ReportError `REPORT_TOO_LARGE` */
export function encodeReport(report: Report): Buffer {
  return Buffer.concat([...encodeReportPieces(report)])
}
