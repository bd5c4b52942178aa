import * as v from 'valibot'
import { sha256Hex } from '../encoding/digest.ts'
import { canonicalJsonBytes, type JsonValue, parseJson } from '../encoding/json.ts'
import { base64ToBytes } from '../encoding/text.ts'
import { MAX_ENTRY_BYTES } from '../lineage/index.ts'
import type { Envelope } from '../signing/dsse.ts'
import { ReceiptError } from './error.ts'

export const RECEIPT_TYPE = 'https://writ.dev/receipt/v1'
export const RECEIPT_MEDIA_TYPE = 'application/vnd.writ.receipt.v1+json'
/** Of an in-toto Statement in a DSSE envelope (in-toto attestation, spec/v1/envelope.md). */
export const STATEMENT_PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/** Most entries; one that is frozen and thawed for months has more, and has to be looked up in the log itself. */
export const MAX_RECEIPT_ENTRIES = 512
/** Most bytes of the file. */
export const MAX_RECEIPT_BYTES = 32 << 20
/** A tree of 2^64 entries has proofs of 64 hashes, and consistency proofs of one more (RFC 9162 section 2.1). */
const MAX_HASHES = 65
const HASH = 32

const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'not a lower-case hexadecimal SHA-256'))
const base64 = (bytes: number) => v.pipe(v.string(), v.maxLength(4 * Math.ceil(bytes / 3)))
const hash = base64(HASH)
const index = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** The form of the file; {@link parseReceipt} has the rules that go beyond it. */
export const receiptSchema = v.strictObject({
  type: v.literal(RECEIPT_TYPE),
  statement: v.strictObject({
    payloadType: v.literal(STATEMENT_PAYLOAD_TYPE),
    payload: base64(1 << 20),
    signatures: v.pipe(v.array(v.strictObject({ keyid: digest, sig: base64(256) })), v.maxLength(1)),
  }),
  checkpoint: v.pipe(v.string(), v.maxLength(256 << 10)),
  entries: v.pipe(
    v.array(
      v.strictObject({
        index,
        entry: base64(MAX_ENTRY_BYTES),
        proof: v.pipe(v.array(hash), v.maxLength(MAX_HASHES)),
      }),
    ),
    v.maxLength(MAX_RECEIPT_ENTRIES),
  ),
  history: v.pipe(v.array(hash), v.maxLength(MAX_HASHES)),
  blobs: v.pipe(
    v.array(v.strictObject({ sha256: digest, bytes: base64(MAX_RECEIPT_BYTES) })),
    v.maxLength(4096),
  ),
  host: v.strictObject({
    akPublicArea: base64(4 << 10),
    akCertificate: v.nullable(base64(64 << 10)),
    ekCertificate: v.nullable(base64(64 << 10)),
    ekIntermediates: v.pipe(v.array(base64(64 << 10)), v.maxLength(16)),
  }),
})

/** One entry of the log with the way from its hash to the root of the receipt's checkpoint. */
export interface ProvenEntry {
  readonly index: number
  /** As hashed into the tree. */
  readonly bytes: Buffer
  /** Leaf side first (RFC 6962 section 2.1.1). */
  readonly proof: readonly Buffer[]
}

/** What the host says of its TPM. Nothing in it is to be believed before somebody who is trusted vouches for it. */
export interface ReceiptHost {
  /** TPMT_PUBLIC of the attestation key. */
  readonly akPublicArea: Buffer
  /** By the operator; DER. */
  readonly akCertificate: Buffer | null
  readonly ekCertificate: Buffer | null
  readonly ekIntermediates: readonly Buffer[]
}

/** A receipt, taken apart; nothing is verified. */
export interface Receipt {
  /** DSSE over an in-toto Statement, by the log's key; without a signature when it was made from files alone. */
  readonly statement: Envelope
  /** The signed note that all proofs lead to. */
  readonly checkpoint: Buffer
  /** By their index, each once. */
  readonly entries: readonly ProvenEntry[]
  /** That the tree of the checkpoint goes on from the one that the appraisal's quote is bound to (RFC 6962 section 2.1.2). */
  readonly history: readonly Buffer[]
  /** What entries name, by SHA-256. */
  readonly blobs: ReadonlyMap<string, Buffer>
  readonly host: ReceiptHost
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
const optional = (bytes: Buffer | null) => (bytes === null ? null : text(bytes))

/** The one encoding of a receipt: canonical JSON (RFC 8785) and a newline. @throws ReceiptError `RECEIPT_TOO_LARGE` */
export function encodeReceipt(receipt: Receipt): Buffer {
  const { statement, checkpoint, entries, history, blobs, host } = receipt
  if (entries.length > MAX_RECEIPT_ENTRIES) throw tooLarge(`${entries.length} entries`)
  const json = canonicalJsonBytes({
    type: RECEIPT_TYPE,
    statement: {
      payloadType: statement.payloadType,
      payload: text(statement.payload),
      signatures: statement.signatures.map(({ keyid, sig }) => ({ keyid, sig: text(sig) })),
    },
    checkpoint: checkpoint.toString('utf8'),
    entries: entries.map(({ index, bytes, proof }) => ({
      index,
      entry: text(bytes),
      proof: proof.map(text),
    })),
    history: history.map(text),
    blobs: [...blobs]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([sha256, bytes]) => ({ sha256, bytes: text(bytes) })),
    host: {
      akPublicArea: text(host.akPublicArea),
      akCertificate: optional(host.akCertificate),
      ekCertificate: optional(host.ekCertificate),
      ekIntermediates: host.ekIntermediates.map(text),
    },
  } satisfies v.InferOutput<typeof receiptSchema> | { statement: unknown })
  if (json.length >= MAX_RECEIPT_BYTES) throw tooLarge(`${json.length} bytes`)
  return Buffer.concat([json, Buffer.from('\n')])
}

function tooLarge(what: string): ReceiptError {
  return new ReceiptError('RECEIPT_TOO_LARGE', `a receipt of ${what}`)
}

function malformed(what: string, cause?: unknown): ReceiptError {
  return new ReceiptError('RECEIPT_MALFORMED', `receipt: ${what}`, { cause })
}

/**
 * Takes a receipt apart. Only the encoding that {@link encodeReceipt} makes is taken, so that no byte of the file is without meaning.
 *
 * @param bytes controlled by whoever sent them
 * @throws ReceiptError `RECEIPT_MALFORMED`
 */
export function parseReceipt(bytes: Uint8Array): Receipt {
  let receipt: Receipt
  try {
    receipt = read(parseJson(bytes, { maxBytes: MAX_RECEIPT_BYTES, maxDepth: 6 }))
  } catch (cause) {
    if (cause instanceof ReceiptError) throw cause
    throw malformed(cause instanceof Error ? cause.message : 'cannot be read', cause)
  }
  if (!encodeReceipt(receipt).equals(bytes)) throw malformed('not in its one encoding')
  return receipt
}

function read(value: JsonValue): Receipt {
  const parsed = v.safeParse(receiptSchema, value)
  if (!parsed.success) throw malformed(`another form: ${parsed.issues[0].message}`)
  const { statement, checkpoint, entries, history, blobs, host } = parsed.output
  if (entries.some(({ index }, i) => i > 0 && index <= (entries[i - 1]?.index ?? 0)))
    throw malformed('the entries are not in order')
  return {
    statement: {
      payloadType: statement.payloadType,
      payload: base64ToBytes(statement.payload),
      signatures: statement.signatures.map(({ keyid, sig }) => ({ keyid, sig: base64ToBytes(sig) })),
    },
    checkpoint: Buffer.from(checkpoint, 'utf8'),
    entries: entries.map(({ index, entry, proof }) => ({
      index,
      bytes: base64ToBytes(entry),
      proof: hashes(proof),
    })),
    history: hashes(history),
    blobs: new Map(blobs.map(({ sha256, bytes }) => [sha256, blobOf(sha256, bytes)])),
    host: {
      akPublicArea: base64ToBytes(host.akPublicArea),
      akCertificate: host.akCertificate === null ? null : base64ToBytes(host.akCertificate),
      ekCertificate: host.ekCertificate === null ? null : base64ToBytes(host.ekCertificate),
      ekIntermediates: host.ekIntermediates.map(der => base64ToBytes(der)),
    },
  }
}

function hashes(list: readonly string[]): Buffer[] {
  const decoded = list.map(item => base64ToBytes(item))
  if (decoded.some(({ length }) => length !== HASH)) throw malformed('a hash of another length')
  return decoded
}

function blobOf(sha256: string, encoded: string): Buffer {
  const bytes = base64ToBytes(encoded)
  if (sha256Hex(bytes) !== sha256) throw malformed(`the blob ${sha256} has another digest`)
  return bytes
}
