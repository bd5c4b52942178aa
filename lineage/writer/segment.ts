import { randomBytes } from 'node:crypto'
import { sha256 } from '../../encoding/digest.ts'
import { bundleLength, decodeBundle, writeBundle } from '../c2sp/entry-bundle.ts'
import { LineageError } from '../error.ts'
import { HASH_SIZE } from '../tree/merkle.ts'

/*
 * A segment of the tail: the write-ahead file of entries that are not in tiles yet.
 *
 *   header   magic(16) ‖ start u64 ‖ nonce(16) ‖ root at start(32) ‖ SHA-256 of the foregoing(32)
 *   batch    nonce(16) ‖ first index u64 ‖ entries u32 ‖ bytes u32 ‖ body ‖ SHA-256 of the foregoing(32)
 *   body     the entries as in an entry bundle
 *
 * All integers are big-endian. What follows the last batch is zeros or a batch that was being written at a crash. The nonce is
 * random per segment, so that no entry's content can pass for a batch.
 */

const MAGIC = Buffer.from('writ-lineage-1\n\0', 'latin1')
const NONCE_SIZE = 16
export const SEGMENT_HEADER_SIZE = 16 + 8 + NONCE_SIZE + HASH_SIZE + 32
const BATCH_FIELDS = NONCE_SIZE + 8 + 4 + 4
/** Bytes of a batch besides its entries and their lengths. */
export const BATCH_OVERHEAD = BATCH_FIELDS + 32

/** Where a segment starts, and the tree before it. */
export interface SegmentHeader {
  readonly start: number
  readonly nonce: Buffer
  readonly root: Buffer
}

/** A header with a fresh nonce. */
export function newSegmentHeader(start: number, root: Buffer): SegmentHeader {
  return { start, root, nonce: randomBytes(NONCE_SIZE) }
}

export function encodeSegmentHeader({ start, nonce, root }: SegmentHeader): Buffer {
  const index = Buffer.alloc(8)
  index.writeBigUInt64BE(BigInt(start))
  const fields = Buffer.concat([MAGIC, index, nonce, root])
  return Buffer.concat([fields, sha256(fields)])
}

/** One batch; `first` is the index of its first entry. */
export function encodeBatch({ nonce }: SegmentHeader, first: number, entries: readonly Uint8Array[]): Buffer {
  const length = bundleLength(entries)
  const batch = Buffer.allocUnsafe(length + BATCH_OVERHEAD)
  nonce.copy(batch)
  batch.writeBigUInt64BE(BigInt(first), NONCE_SIZE)
  batch.writeUInt32BE(entries.length, NONCE_SIZE + 8)
  batch.writeUInt32BE(length, NONCE_SIZE + 12)
  writeBundle(batch, BATCH_FIELDS, entries)
  const signed = BATCH_FIELDS + length
  sha256(batch.subarray(0, signed)).copy(batch, signed)
  return batch
}

/** What a segment file holds. */
export interface SegmentContent extends SegmentHeader {
  readonly entries: Buffer[]
  /** Whether bytes of an unfinished batch follow the last whole one. */
  readonly torn: boolean
}

/**
 * Reads a segment. A batch is written only after the one before it was synced, so only the last may be torn; a whole
 * batch behind a damaged one means that acknowledged entries were lost.
 *
 * @param bytes the whole file, written by this daemon and possibly damaged
 * @throws LineageError `LINEAGE_BROKEN`
 */
export function readSegment(bytes: Buffer, file: string): SegmentContent {
  const header = readHeader(bytes, file)
  const entries: Buffer[] = []
  let at = SEGMENT_HEADER_SIZE
  for (;;) {
    const batch = readBatch(bytes, at, header.nonce)
    if (batch === undefined || batch.first !== header.start + entries.length) break
    // Copies: whoever keeps one entry would keep the megabytes of the file with it.
    for (const entry of batch.entries) entries.push(Buffer.from(entry))
    at = batch.end
  }
  for (let next = bytes.indexOf(header.nonce, at); next >= 0; next = bytes.indexOf(header.nonce, next + 1)) {
    if (readBatch(bytes, next, header.nonce) !== undefined) {
      throw new LineageError('LINEAGE_BROKEN', `${file}: entries before offset ${next} are damaged`, {
        at: file,
      })
    }
  }
  return { ...header, entries, torn: !isZero(bytes.subarray(at)) }
}

/**
 * Every whole batch of a segment, wherever it lies: for what can be read of one that is damaged.
 *
 * @param bytes the whole file, damaged in whatever way
 */
export function* readSegmentBatches(
  bytes: Buffer,
): Generator<{ readonly first: number; readonly entries: readonly Buffer[] }> {
  const nonceAt = MAGIC.length + 8
  // The nonce stands in the header and at the head of each batch: a damaged header leaves the first batch's.
  const nonces = [nonceAt, SEGMENT_HEADER_SIZE].map(at => bytes.subarray(at, at + NONCE_SIZE))
  const nonce = nonces.find(found => found.length === NONCE_SIZE && readBatchAt(bytes, found) !== undefined)
  if (nonce === undefined) return
  for (let at = bytes.indexOf(nonce, nonceAt); at >= 0; ) {
    const batch = readBatchOrNone(bytes, at, nonce)
    if (batch !== undefined) yield batch
    at = bytes.indexOf(nonce, batch?.end ?? at + 1)
  }
}

/** The first whole batch under this nonce. */
function readBatchAt(bytes: Buffer, nonce: Buffer): number | undefined {
  for (let at = bytes.indexOf(nonce); at >= 0; at = bytes.indexOf(nonce, at + 1))
    if (readBatchOrNone(bytes, at, nonce) !== undefined) return at
  return undefined
}

/** A batch of which the digest holds and the entries do not fit it was written by nobody. */
function readBatchOrNone(bytes: Buffer, at: number, nonce: Buffer): ReturnType<typeof readBatch> {
  try {
    return readBatch(bytes, at, nonce)
  } catch (error) {
    if (error instanceof LineageError) return undefined
    throw error
  }
}

function readHeader(bytes: Buffer, file: string): SegmentHeader {
  const fields = bytes.subarray(0, SEGMENT_HEADER_SIZE - 32)
  const whole =
    bytes.length >= SEGMENT_HEADER_SIZE &&
    fields.subarray(0, MAGIC.length).equals(MAGIC) &&
    sha256(fields).equals(bytes.subarray(SEGMENT_HEADER_SIZE - 32, SEGMENT_HEADER_SIZE))
  const start = whole ? fields.readBigUInt64BE(MAGIC.length) : 0n
  if (!whole || start > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new LineageError('LINEAGE_BROKEN', `${file} has no valid header`, { at: file })
  }
  const nonceAt = MAGIC.length + 8
  return {
    start: Number(start),
    nonce: fields.subarray(nonceAt, nonceAt + NONCE_SIZE),
    root: fields.subarray(nonceAt + NONCE_SIZE),
  }
}

function readBatch(
  bytes: Buffer,
  at: number,
  nonce: Buffer,
): { first: number; entries: Buffer[]; end: number } | undefined {
  if (at + BATCH_OVERHEAD > bytes.length) return undefined
  const batch = bytes.subarray(at)
  const end = BATCH_FIELDS + batch.readUInt32BE(NONCE_SIZE + 12)
  if (!batch.subarray(0, NONCE_SIZE).equals(nonce) || end + 32 > batch.length) return undefined
  if (!sha256(batch.subarray(0, end)).equals(batch.subarray(end, end + 32))) return undefined
  return {
    first: Number(batch.readBigUInt64BE(NONCE_SIZE)),
    entries: decodeBundle(batch.subarray(BATCH_FIELDS, end), batch.readUInt32BE(NONCE_SIZE + 8)),
    end: at + end + 32,
  }
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length))
}
