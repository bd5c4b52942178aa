import { hash } from 'node:crypto'
import * as v from 'valibot'
import { type JsonValue, parseJson } from '../../encoding/json.ts'
import { type HashAlgorithm, hashSize } from '../tpm2/structures/index.ts'
import { UserspaceLogError, type UserspaceLogErrorCode } from './error.ts'

/** One measurement that systemd made after the kernel started. */
export interface UserspaceEvent {
  /** Position in the log. */
  readonly index: number
  readonly pcr: number
  readonly digests: ReadonlyMap<HashAlgorithm, Buffer>
  /** What systemd says it measured, empty when it does not say. Bound by a digest only if `bound` names the bank. */
  readonly content: string
  /** The banks whose digest is that of `content`. In the others it is untrusted. */
  readonly bound: ReadonlySet<HashAlgorithm>
}

/** Most bytes of a log that are read: systemd measures a few dozen things per boot. */
export const MAX_USERSPACE_LOG_BYTES = 4 << 20
const MAX_RECORD_BYTES = 64 << 10
/** RFC 7464 section 2.2: each record begins with RS and ends with LF. */
const RECORD_SEPARATOR = 0x1e
const LINE_FEED = 0x0a
/** PCRs that the operating system may extend (PTP 1.05, section 4.6): 0 to 7 belong to the firmware, 17 to 22 to a late launch. */
const PCRS = { first: 8, last: 15 } as const

const hashes = ['sha1', 'sha256', 'sha384', 'sha512'] as const
/** The members that decide are strict; `content` describes itself and grows from version to version. */
const recordSchema = v.strictObject({
  pcr: v.pipe(v.number(), v.integer(), v.minValue(PCRS.first), v.maxValue(PCRS.last)),
  digests: v.pipe(
    v.array(
      v.strictObject({
        hashAlg: v.picklist(hashes),
        digest: v.pipe(v.string(), v.regex(/^(?:[0-9a-f]{2})+$/)),
      }),
    ),
    v.minLength(1),
    v.maxLength(hashes.length),
  ),
  content_type: v.literal('systemd'),
  content: v.looseObject({ string: v.optional(v.string()) }),
})

function fail(code: UserspaceLogErrorCode, index: number, what: string, cause?: unknown): UserspaceLogError {
  return new UserspaceLogError(code, `user-space log, record ${index}: ${what}`, {
    at: `record ${index}`,
    cause,
  })
}

/**
 * Parses `/run/log/systemd/tpm2-measure.log`: a JSON text sequence (RFC 7464) of the Canonical Event Log's JSON form, written by
 * systemd's `tpm2_userspace_log()` (src/shared/tpm2-util.c). The bytes are controlled by root on the host.
 *
 * @throws UserspaceLogError
 */
export function parseUserspaceLog(bytes: Uint8Array): UserspaceEvent[] {
  if (bytes.length > MAX_USERSPACE_LOG_BYTES) {
    throw fail(
      'USERSPACE_LOG_TOO_LARGE',
      0,
      `${bytes.length} bytes, at most ${MAX_USERSPACE_LOG_BYTES} are read`,
    )
  }
  const log = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const events: UserspaceEvent[] = []
  let at = 0
  while (at < log.length) {
    const index = events.length
    if (log[at] !== RECORD_SEPARATOR)
      throw fail('USERSPACE_LOG_MALFORMED', index, 'no record separator before it')
    const end = log.indexOf(LINE_FEED, at)
    if (end < 0) throw fail('USERSPACE_LOG_MALFORMED', index, 'it is cut off')
    events.push(readRecord(log.subarray(at + 1, end), index))
    at = end + 1
  }
  return events
}

function readRecord(bytes: Buffer, index: number): UserspaceEvent {
  let json: JsonValue
  try {
    json = parseJson(bytes, { maxBytes: MAX_RECORD_BYTES, maxDepth: 8 })
  } catch (cause) {
    throw fail('USERSPACE_LOG_MALFORMED', index, cause instanceof Error ? cause.message : 'not JSON', cause)
  }
  const record = v.safeParse(recordSchema, json)
  if (!record.success) {
    const [issue] = record.issues
    throw fail('USERSPACE_LOG_MALFORMED', index, `${v.getDotPath(issue) ?? 'record'}: ${issue.message}`)
  }
  const content = record.output.content.string ?? ''
  const digests = new Map<HashAlgorithm, Buffer>()
  const bound = new Set<HashAlgorithm>()
  for (const { hashAlg, digest } of record.output.digests) {
    const value = Buffer.from(digest, 'hex')
    if (value.length !== hashSize(hashAlg) || digests.has(hashAlg)) {
      throw fail(
        'USERSPACE_LOG_MALFORMED',
        index,
        `its ${hashAlg} digest is repeated or has ${value.length} bytes`,
      )
    }
    digests.set(hashAlg, value)
    if (hash(hashAlg, content, 'buffer').equals(value)) bound.add(hashAlg)
  }
  return { index, pcr: record.output.pcr, digests, content, bound }
}
