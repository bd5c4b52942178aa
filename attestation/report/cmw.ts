import { WritError } from '../../encoding/error.ts'
import { type JsonValue, parseJson } from '../../encoding/json.ts'
import { base64UrlToBytes } from '../../encoding/text.ts'
import { ReportError } from './error.ts'

/** What a conceptual message is, as a bit mask of its indicator (RFC 9999, section 3.1.1, `cm-type`). */
export const INDICATOR = {
  referenceValues: 1,
  endorsements: 2,
  evidence: 4,
  attestationResults: 8,
  appraisalPolicy: 16,
} as const

/** One item of a collection (RFC 9999, section 3.1, `json-record`). */
export interface CmwRecord {
  /** Media type. */
  readonly type: string
  readonly value: Uint8Array
  /** Mask of {@link INDICATOR}; null when the record has none. */
  readonly indicator: number | null
}

/** A CMW collection in its JSON form, without collections inside it (RFC 9999, section 3.3, `json-collection`). */
export interface CmwCollection {
  /** `__cmwc_t`: what kind of collection it is, a URI or an OID; null when it does not say. */
  readonly type: string | null
  readonly items: ReadonlyMap<string, CmwRecord>
}

const TYPE_KEY = '__cmwc_t'
/** type "/" subtype of RFC 6838, section 4.2, with parameters as RFC 9193 lets them follow. */
const MEDIA_TYPE =
  /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}(?:;[ -~]{1,128})?$/
/** Bytes that become one piece of text: a multiple of three, so that the pieces of base64 join. */
const PIECE_BYTES = 3 << 18

/**
 * The bytes of a collection, piece by piece, so that a large one is never in memory as text: an object with one line for each
 * item, values in base64url without padding. The order is that of the map; it means nothing.
 *
 * @throws TypeError for no item, and for an item without bytes, which has no spelling: leave it out (a programmer's mistake)
 */
export function* encodeCmwCollection({ type, items }: CmwCollection): Generator<Buffer, void> {
  if (items.size === 0) throw new TypeError('a collection has one item at least')
  let before = '{'
  if (type !== null) {
    yield Buffer.from(`{"${TYPE_KEY}":${JSON.stringify(type)}`)
    before = ','
  }
  for (const [label, record] of items) {
    if (label === TYPE_KEY || label === '') throw new TypeError(`${JSON.stringify(label)} is no label`)
    if (record.value.length === 0) throw new TypeError(`item ${label} has no bytes`)
    yield Buffer.from(`${before}\n${JSON.stringify(label)}:[${JSON.stringify(record.type)},"`)
    for (let at = 0; at < record.value.length; at += PIECE_BYTES) {
      const { buffer, byteOffset, length } = record.value.subarray(at, at + PIECE_BYTES)
      yield Buffer.from(Buffer.from(buffer, byteOffset, length).toString('base64url'), 'latin1')
    }
    yield Buffer.from(record.indicator === null ? '"]' : `",${record.indicator}]`)
    before = ','
  }
  yield Buffer.from('\n}\n')
}

/**
 * Reads a collection strictly: JSON that every parser reads alike (no label twice), records of two or three elements, media types, canonical
 * base64url, known indicators. Collections inside it, which the RFC lets an implementation refuse, are refused.
 *
 * @param file controlled by whoever sent it
 * @throws ReportError
 */
export function parseCmwCollection(file: Uint8Array, maxBytes: number): CmwCollection {
  if (file.length > maxBytes) {
    throw new ReportError(
      'REPORT_TOO_LARGE',
      `a report of ${file.length} bytes, at most ${maxBytes} are read`,
    )
  }
  const json = readJson(file, maxBytes)
  if (json === null || typeof json !== 'object' || Array.isArray(json)) throw malformed('not a JSON object')
  const { [TYPE_KEY]: type = null, ...labelled } = json
  if (type !== null && typeof type !== 'string') throw malformed(`${TYPE_KEY} is not text`, TYPE_KEY)
  // The RFC's grammar has one item at least.
  if (Object.keys(labelled).length === 0) throw malformed('no item')
  const items = Object.entries(labelled).map(([label, value]) => [label, parseRecord(label, value)] as const)
  return { type, items: new Map(items) }
}

function readJson(file: Uint8Array, maxBytes: number): JsonValue {
  try {
    return parseJson(file, { maxBytes, maxDepth: 2 })
  } catch (cause) {
    if (!(cause instanceof WritError)) throw cause
    throw new ReportError('REPORT_MALFORMED', `report: ${cause.message}`, {
      at: cause.at,
      cause,
      offset: cause.offset,
    })
  }
}

function parseRecord(label: string, record: JsonValue): CmwRecord {
  // A collection would be an object; a tunnel, of drafts of the RFC, has no media type.
  if (!Array.isArray(record)) throw malformed('is not a CMW record', label)
  const [type, value, indicator = null, ...more] = record
  if (typeof type !== 'string' || !MEDIA_TYPE.test(type)) throw malformed('has no media type', label)
  if (typeof value !== 'string' || value === '') throw malformed('has no bytes', label)
  if (record.length === 3 && !isIndicator(indicator)) throw malformed('has no known indicator', label)
  if (more.length > 0) throw malformed('has more than three elements', label)
  try {
    return { type, value: base64UrlToBytes(value, label), indicator: indicator as number | null }
  } catch (cause) {
    if (!(cause instanceof WritError)) throw cause
    throw malformed('is not base64url without padding', label, cause)
  }
}

function isIndicator(value: JsonValue): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 32
}

function malformed(what: string, label?: string, cause?: unknown): ReportError {
  const where = label === undefined ? '' : `item ${JSON.stringify(label.slice(0, 64))} `
  return new ReportError('REPORT_MALFORMED', `report: ${where}${what}`, { at: label?.slice(0, 64), cause })
}
