import { isUtf8 } from 'node:buffer'
import { sha256Hex } from '../../encoding/digest.ts'
import { type JsonObject, type JsonValue, parseJson } from '../../encoding/json.ts'
import { MAX_ENTRY_BYTES } from '../c2sp/entry-bundle.ts'
import { LineageError } from '../error.ts'
import type { Codec } from './codec.ts'
import { type EventType, type LineageEvent, SCHEMAS } from './schema.ts'

export type { EventType, LineageEvent } from './schema.ts'

/** Kinds of event that may use the disk space kept in reserve: what ends something is recorded even on a full disk. */
const RESERVED: ReadonlySet<EventType> = new Set<EventType>([
  'trust-transition',
  'freeze',
  'kill-sent',
  'execution-end',
  'daemon-stop',
])

export function isReserved(type: EventType): boolean {
  return RESERVED.has(type)
}

function schemaOf(value: unknown): Codec<unknown> {
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined
  if (typeof type !== 'string' || !Object.hasOwn(SCHEMAS, type)) {
    throw new LineageError('EVENT_INVALID', 'no known type of event', { at: 'type' })
  }
  return SCHEMAS[type as EventType]
}

/**
 * An event as the canonical JSON that goes into the log.
 *
 * @throws LineageError `EVENT_INVALID` with the field in `at`, `ENTRY_TOO_LARGE`
 */
export function encodeEvent(event: LineageEvent): Buffer {
  const bytes = Buffer.from(schemaOf(event).write(event), 'utf8')
  if (bytes.length > MAX_ENTRY_BYTES) {
    throw new LineageError('ENTRY_TOO_LARGE', `an event of ${bytes.length} bytes, at most ${MAX_ENTRY_BYTES}`)
  }
  return bytes
}

/**
 * Reads an entry. Only what {@link encodeEvent} writes is taken, so that an event has one encoding.
 *
 * @param bytes controlled by whoever wrote the log
 * @throws LineageError `EVENT_INVALID`
 */
export function parseEvent(bytes: Uint8Array): LineageEvent {
  return parseCanonical(bytes) ?? explainInvalid(bytes)
}

/**
 * The usual way, at a quarter of the time: what is written again byte for byte as it was has no key twice, no spelling of its own and nothing unknown, so
 * the engine's own parser will do. Undefined for what is not so.
 */
function parseCanonical(bytes: Uint8Array): LineageEvent | undefined {
  if (bytes.length > MAX_ENTRY_BYTES || !isUtf8(bytes)) return undefined
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
    const value: unknown = JSON.parse(text)
    return schemaOf(value).write(value) === text ? (value as LineageEvent) : undefined
  } catch {
    return undefined
  }
}

/** Says what is wrong, by the strict parser. */
function explainInvalid(bytes: Uint8Array): LineageEvent {
  let value: JsonValue
  try {
    value = parseJson(bytes, { maxBytes: MAX_ENTRY_BYTES, maxDepth: 8 })
  } catch (cause) {
    throw new LineageError('EVENT_INVALID', `the event is not JSON: ${String(cause)}`, { cause })
  }
  if (!Buffer.from(schemaOf(value).write(value), 'utf8').equals(bytes)) {
    throw new LineageError('EVENT_INVALID', 'the event is not in canonical form')
  }
  return value as JsonObject as unknown as LineageEvent
}

/**
 * The type that an entry says it has, without reading all of it: for passing over what is not asked for. In canonical JSON it stands behind the
 * last key of this name, and no text of an event can look like that.
 *
 * @param bytes controlled by whoever wrote the log
 * @returns undefined if it has none
 */
export function peekType(bytes: Buffer): string | undefined {
  const at = bytes.lastIndexOf(TYPE_KEY)
  if (at < 0) return undefined
  const begin = at + TYPE_KEY.length
  return bytes.toString('latin1', begin, bytes.indexOf(0x22, begin))
}

const TYPE_KEY = '"type":"'
const TIME_KEY = '"time":"'

/** The time that an entry says it has, in milliseconds since the epoch; NaN if it has none. As {@link peekType}. */
export function peekTime(bytes: Buffer): number {
  const at = bytes.lastIndexOf(TIME_KEY)
  const begin = at + TIME_KEY.length
  return at < 0 ? Number.NaN : Date.parse(bytes.toString('latin1', begin, bytes.indexOf(0x22, begin)))
}

/** Whether there is such a type of event. */
export function isEventType(type: string): type is EventType {
  return Object.hasOwn(SCHEMAS, type)
}

/** Every type of event. */
export const EVENT_TYPES = Object.keys(SCHEMAS) as readonly EventType[]

/** Most bytes of blobs that one entry takes in: with its reasons and their base64 they stay below {@link MAX_ENTRY_BYTES}. */
export const MAX_INLINE_BYTES = 15 << 10

/**
 * A blob that an entry carries itself; undefined if it does not.
 *
 * @throws LineageError `BLOB_DAMAGED` when it holds other bytes than its name says
 */
export function inlineBlob(event: LineageEvent, digest: string): Buffer | undefined {
  if (event.type !== 'decision' && event.type !== 'renewal') return undefined
  if (!Object.hasOwn(event.inline, digest)) return undefined
  const text = event.inline[digest] ?? ''
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text || sha256Hex(bytes) !== digest) {
    throw new LineageError('BLOB_DAMAGED', 'a blob within an entry holds other bytes than its name says', {
      at: digest,
    })
  }
  return bytes
}

/** Digests of the blobs in the evidence store that an event refers to: not of those that it carries itself. */
export function blobsOf(event: LineageEvent): string[] {
  switch (event.type) {
    case 'appraisal': {
      const { attest, signature, eventLog, userspaceLog, imaLog } = event.evidence
      return [attest, signature, eventLog, ...(userspaceLog === null ? [] : [userspaceLog]), ...imaLog]
    }
    case 'daemon-start':
      return [event.configDigest]
    case 'config':
      return [event.digest]
    case 'decision':
    case 'renewal':
      return [event.record, ...event.inputs].filter(digest => !Object.hasOwn(event.inline, digest))
    case 'checkpoint':
      return event.pcrs === null ? [] : [event.pcrs]
    case 'epoch':
      return [event.previous.files, event.carried, ...(event.attest === null ? [] : [event.attest])]
    case 'snapshot':
      return [event.digest]
    case 'tail-accepted':
    case 'rollback-accepted':
    case 'epoch-accepted':
    case 'failure-cleared':
    case 'reference-values':
    case 'trust-roots':
    case 'policy':
    case 'host-labels':
    case 'secret-policy':
      return [event.blob]
    case 'clock-trusted':
      return event.blob === null ? [] : [event.blob]
    case 'revocation':
      return [event.blob, event.manifest]
    default:
      return []
  }
}
