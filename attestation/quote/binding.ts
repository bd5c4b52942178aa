import { sha256 } from '../../encoding/digest.ts'

/** The domain of the evidence cycle's quotes; a quote of one domain never stands for one of another. */
export const CYCLE_DOMAIN = 'writ/v1/cycle'
/** The domain of reports' quotes. */
export const REPORT_DOMAIN = 'writ/v2/report'
/** The domain of a lineage checkpoint's quote. */
export const CHECKPOINT_DOMAIN = 'writ/v1/checkpoint'
/** The domain of the quote in what a host hands out so that secrets are sealed for it. */
export const RECIPIENT_DOMAIN = 'writ/v1/secret-recipient'

interface BoundState {
  /** 32 bytes from whoever wants the quote to be fresh. */
  readonly nonce: Uint8Array
  /** Entries of the lineage before this quote was asked for. */
  readonly treeSize: bigint
  /** Merkle root of those entries, 32 bytes. */
  readonly lineageRoot: Uint8Array
  /** SHA-256 of the daemon's session key (DER SubjectPublicKeyInfo). */
  readonly sessionKeySpkiDigest: Uint8Array
  /** SHA-256 of the reference values' payload. */
  readonly referenceValuesDigest: Uint8Array
}

/** What a quote of the evidence cycle is bound to, through its extraData. */
export interface CycleBinding extends BoundState {
  readonly domain: typeof CYCLE_DOMAIN
}

/** What a report's quote is bound to, through its extraData. */
export interface ReportBinding extends BoundState {
  readonly domain: typeof REPORT_DOMAIN
  /** SHA-256 of the list of executions that the report carries. */
  readonly executionsDigest: Uint8Array
}

export type QuoteBinding = CycleBinding | ReportBinding

/** Bytes of the nonce, the root and the digests. */
const FIELD_BYTES = 32

function field(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

function exactly32(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes.length !== FIELD_BYTES)
    throw new RangeError(`${name} has ${bytes.length} bytes, not ${FIELD_BYTES}`)
  return bytes
}

/**
 * A binding as bytes: domain, nonce, tree size (64-bit big-endian), root, session key digest, reference values digest and, of a
 * report, the digest of its executions, each after its length as 32-bit big-endian, so that no two bindings share an encoding.
 *
 * @throws RangeError for a field of another length than 32 bytes (a programmer's mistake)
 */
export function encodeBinding(binding: QuoteBinding): Buffer {
  const treeSize = Buffer.alloc(8)
  treeSize.writeBigUInt64BE(binding.treeSize)
  return Buffer.concat([
    field(Buffer.from(binding.domain, 'ascii')),
    field(exactly32(binding.nonce, 'nonce')),
    field(treeSize),
    field(exactly32(binding.lineageRoot, 'lineageRoot')),
    field(exactly32(binding.sessionKeySpkiDigest, 'sessionKeySpkiDigest')),
    field(exactly32(binding.referenceValuesDigest, 'referenceValuesDigest')),
    ...(binding.domain === REPORT_DOMAIN
      ? [field(exactly32(binding.executionsDigest, 'executionsDigest'))]
      : []),
  ])
}

/** The extraData of a cycle's or report's quote: SHA-256 of {@link encodeBinding}. @throws RangeError as it does */
export function bindExtraData(binding: QuoteBinding): Buffer {
  return sha256(encodeBinding(binding))
}

/**
 * The extraData of a checkpoint's quote: SHA-256(domain ‖ 0x00 ‖ note body). The domain has no zero byte, and its first
 * four bytes are no length that {@link bindExtraData} writes, so the two never meet.
 *
 * @param noteBody the signed note's text, with its final newline
 */
export function checkpointExtraData(noteBody: Uint8Array): Buffer {
  return sha256(Buffer.concat([Buffer.from(`${CHECKPOINT_DOMAIN}\0`, 'ascii'), noteBody]))
}

/** What belongs to one host, and has to before a secret is sealed for it. */
export interface RecipientBinding {
  /** TPMT_PUBLIC of the endorsement key. */
  readonly ekPublicArea: Uint8Array
  readonly akName: Uint8Array
  /** DER SubjectPublicKeyInfo of the daemon's HPKE key. */
  readonly secretKeySpki: Uint8Array
  /** Name of the NV counter that approvals are held against, and where it began. */
  readonly counterName: Uint8Array
  readonly counterBase: bigint
}

/** The extraData of a recipient's quote: SHA-256 over its domain and the fields in this order, each after its length as in {@link encodeBinding}. */
export function recipientExtraData(binding: RecipientBinding): Buffer {
  const base = Buffer.alloc(8)
  base.writeBigUInt64BE(binding.counterBase)
  const { ekPublicArea, akName, secretKeySpki, counterName } = binding
  const fields = [
    Buffer.from(RECIPIENT_DOMAIN, 'ascii'),
    ekPublicArea,
    akName,
    secretKeySpki,
    counterName,
    base,
  ]
  return sha256(Buffer.concat(fields.map(field)))
}
