import * as v from 'valibot'
import { WritError } from '../encoding/error.ts'
import { canonicalJsonBytes, type JsonValue, parseJson } from '../encoding/json.ts'
import { base64ToBytes, hexToBytes } from '../encoding/text.ts'
import type { Evidence } from './evidence.ts'
import type { QuoteBinding } from './quote/index.ts'

/**
 * Evidence of one moment with all that its quote is bound to, as one document. It has no signature of its own: the quote
 * covers the binding and, through the PCRs, the logs. Keys and certificates in it are claims until the verifier's own
 * trust anchors have confirmed them (`verifyReport`).
 */
export interface Report {
  readonly evidence: Evidence
  /** The domain is always `writ/v1/report`. */
  readonly binding: Omit<QuoteBinding, 'domain'>
  /** TPMT_PUBLIC of the key that signed the quote. */
  readonly akPublicArea: Uint8Array
  /** DER, by the operator. */
  readonly akCertificate: Uint8Array | null
  /** DER, by the TPM's maker. */
  readonly ekCertificate: Uint8Array | null
  readonly ekIntermediates: readonly Uint8Array[]
  /** What the host says its TPM is. A label for people: no verifier takes it for true. */
  readonly claimedTier: 'hardware' | 'simulated' | 'unknown'
}

/** Most bytes of a report: base64 of an IMA log with a few hundred thousand entries. */
export const MAX_REPORT_BYTES = 128 << 20

/** Bytes that are not a report. `at` is the field. */
export class ReportError extends WritError<'REPORT_MALFORMED'> {}

const bytes = v.string()
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const schema = v.strictObject({
  version: v.literal(1),
  evidence: v.strictObject({
    attest: bytes,
    signature: bytes,
    eventLog: bytes,
    userspaceLog: v.nullable(bytes),
    imaLog: v.nullable(bytes),
  }),
  binding: v.strictObject({
    nonce: digest,
    treeSize: v.pipe(v.string(), v.regex(/^(?:0|[1-9][0-9]{0,18})$/)),
    lineageRoot: digest,
    sessionKeySpkiDigest: digest,
    referenceValuesDigest: digest,
  }),
  akPublicArea: bytes,
  akCertificate: v.nullable(bytes),
  ekCertificate: v.nullable(bytes),
  ekIntermediates: v.pipe(v.array(bytes), v.maxLength(8)),
  claimedTier: v.picklist(['hardware', 'simulated', 'unknown']),
})

function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')
}

function hex(value: Uint8Array): string {
  return Buffer.from(value).toString('hex')
}

function nullable<A, B>(value: A | null, convert: (value: A) => B): B | null {
  return value === null ? null : convert(value)
}

/** The bytes of a report file: canonical JSON, binary fields in base64, digests in hexadecimal. */
export function encodeReport(report: Report): Buffer {
  const { evidence, binding } = report
  return canonicalJsonBytes({
    version: 1,
    evidence: {
      attest: base64(evidence.quote.attest),
      signature: base64(evidence.quote.signature),
      eventLog: base64(evidence.eventLog),
      userspaceLog: nullable(evidence.userspaceLog, base64),
      imaLog: nullable(evidence.imaLog, base64),
    },
    binding: {
      nonce: hex(binding.nonce),
      treeSize: binding.treeSize.toString(),
      lineageRoot: hex(binding.lineageRoot),
      sessionKeySpkiDigest: hex(binding.sessionKeySpkiDigest),
      referenceValuesDigest: hex(binding.referenceValuesDigest),
    },
    akPublicArea: base64(report.akPublicArea),
    akCertificate: nullable(report.akCertificate, base64),
    ekCertificate: nullable(report.ekCertificate, base64),
    ekIntermediates: report.ekIntermediates.map(base64),
    claimedTier: report.claimedTier,
  })
}

/**
 * Reads a report. Nothing is verified yet.
 *
 * @param file controlled by whoever sent it
 * @throws ReportError
 */
export function parseReport(file: Uint8Array): Report {
  try {
    const json: JsonValue = parseJson(file, { maxBytes: MAX_REPORT_BYTES, maxDepth: 4 })
    return fromDocument(v.parse(schema, json))
  } catch (cause) {
    if (cause instanceof v.ValiError) {
      const [issue] = cause.issues
      const at = v.getDotPath(issue) ?? 'report'
      throw new ReportError('REPORT_MALFORMED', `report: ${at}: ${issue.message}`, { at, cause })
    }
    if (!(cause instanceof WritError)) throw cause
    throw new ReportError('REPORT_MALFORMED', `report: ${cause.message}`, { at: cause.at, cause })
  }
}

function fromDocument(document: v.InferOutput<typeof schema>): Report {
  const { evidence, binding } = document
  const decode = (value: string | null, at: string): Buffer | null =>
    nullable(value, text => base64ToBytes(text, at))
  return {
    evidence: {
      quote: {
        attest: base64ToBytes(evidence.attest, 'evidence.attest'),
        signature: base64ToBytes(evidence.signature, 'evidence.signature'),
      },
      eventLog: base64ToBytes(evidence.eventLog, 'evidence.eventLog'),
      userspaceLog: decode(evidence.userspaceLog, 'evidence.userspaceLog'),
      imaLog: decode(evidence.imaLog, 'evidence.imaLog'),
    },
    binding: {
      nonce: hexToBytes(binding.nonce, 'binding.nonce'),
      treeSize: BigInt(binding.treeSize),
      lineageRoot: hexToBytes(binding.lineageRoot, 'binding.lineageRoot'),
      sessionKeySpkiDigest: hexToBytes(binding.sessionKeySpkiDigest, 'binding.sessionKeySpkiDigest'),
      referenceValuesDigest: hexToBytes(binding.referenceValuesDigest, 'binding.referenceValuesDigest'),
    },
    akPublicArea: base64ToBytes(document.akPublicArea, 'akPublicArea'),
    akCertificate: decode(document.akCertificate, 'akCertificate'),
    ekCertificate: decode(document.ekCertificate, 'ekCertificate'),
    ekIntermediates: document.ekIntermediates.map((text, i) => base64ToBytes(text, `ekIntermediates[${i}]`)),
    claimedTier: document.claimedTier,
  }
}
