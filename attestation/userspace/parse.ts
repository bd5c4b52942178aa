import { parseJson } from '../../encoding/json.ts'
import { UserspaceLogError, type UserspaceLogErrorCode } from './error.ts'
import { readRecord, type UserspaceEvent } from './record.ts'

/** A parsed log. Nothing in it is verified. */
export interface UserspaceLog {
  readonly events: readonly UserspaceEvent[]
  /** The last record, if it is not all there: systemd appends to the log, and it was read in between. Null otherwise. */
  readonly pending: { readonly offset: number; readonly length: number } | null
}

/** Most bytes of a log that are read: systemd measures a few dozen things per boot. */
export const MAX_USERSPACE_LOG_BYTES = 4 << 20
/** A login's user record is the longest content that systemd measures. */
const MAX_RECORD_BYTES = 64 << 10
/** RFC 7464 section 2.2: each record begins with RS and ends with LF. */
const RECORD_SEPARATOR = 0x1e
const LINE_FEED = 0x0a
/** The firmware's PCRs (PFP 1.06, section 3.3.4). */
const LAST_FIRMWARE_PCR = 7
/** All that systemd extends them with: the border between the firmware's boot and the system's (systemd-pcrosseparator.service). */
const OS_SEPARATOR = 'os-separator'

function fail(
  code: UserspaceLogErrorCode,
  index: number,
  offset: number,
  what: string,
  cause?: unknown,
): UserspaceLogError {
  const message = `user-space log, record ${index}: ${what}`
  return new UserspaceLogError(code, message, { at: `record ${index}`, offset, cause })
}

/**
 * Parses `/run/log/systemd/tpm2-measure.log` of all versions of systemd since 252: a JSON text sequence (RFC 7464) of the Canonical
 * Event Log's JSON form (src/shared/tpm2-util.c, `tpm2_userspace_log()`). The bytes are controlled by root on the host.
 *
 * A last record that is not all there is left out and named, as RFC 7464 section 2.4 wants: systemd extends the register, then
 * writes the record, and whoever reads in between sees its beginning. A quote from before that is explained by the other records,
 * and one from after it is not.
 *
 * @throws UserspaceLogError
 */
export function parseUserspaceLog(bytes: Uint8Array): UserspaceLog {
  if (bytes.length > MAX_USERSPACE_LOG_BYTES) {
    const what = `${bytes.length} bytes, at most ${MAX_USERSPACE_LOG_BYTES} are read`
    throw fail('USERSPACE_LOG_TOO_LARGE', 0, 0, what)
  }
  const log = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const events: UserspaceEvent[] = []
  let offset = 0
  while (offset < log.length) {
    const index = events.length
    if (log[offset] !== RECORD_SEPARATOR) {
      throw fail('USERSPACE_LOG_MALFORMED', index, offset, 'no record separator before it')
    }
    const end = log.indexOf(LINE_FEED, offset)
    if (end < 0) return { events, pending: pendingRecord(log, index, offset) }
    events.push(parseRecord(log.subarray(offset + 1, end), index, offset))
    offset = end + 1
  }
  return { events, pending: null }
}

function pendingRecord(log: Buffer, index: number, offset: number): UserspaceLog['pending'] {
  const length = log.length - offset
  if (length > MAX_RECORD_BYTES || log.indexOf(RECORD_SEPARATOR, offset + 1) >= 0) {
    throw fail('USERSPACE_LOG_MALFORMED', index, offset, 'it does not end')
  }
  return { offset, length }
}

function parseRecord(bytes: Buffer, index: number, offset: number): UserspaceEvent {
  let json: unknown
  try {
    json = parseJson(bytes, { maxBytes: MAX_RECORD_BYTES, maxDepth: 8 })
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : 'not JSON'
    throw fail('USERSPACE_LOG_MALFORMED', index, offset, what, cause)
  }
  const read = readRecord(json)
  if ('wrong' in read) throw fail('USERSPACE_LOG_MALFORMED', index, offset, read.wrong)
  const { pcr, content, bound, digests } = read.event
  // Else a host could move what its firmware measured, a boot image for example, to where nobody looks for it.
  if (pcr !== null && pcr <= LAST_FIRMWARE_PCR) {
    if (content !== OS_SEPARATOR || bound.size !== digests.size) {
      const what = `PCR ${pcr} is the firmware's, and this is not systemd's separator`
      throw fail('USERSPACE_LOG_FIRMWARE_PCR', index, offset, what)
    }
  }
  return { index, offset, ...read.event }
}
