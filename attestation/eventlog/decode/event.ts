import { EncodingError } from '../../../encoding/error.ts'
import type { BankName } from '../bank.ts'
import { eventTypeName } from '../event-type.ts'
import type { TcgEvent } from '../parse.ts'
import { coverage, type Measured, measured } from './binding.ts'
import type { DecodedEvent, MeasuredWhat, NoteKind } from './decoded.ts'
import { EventDataError } from './error.ts'
import { field } from './field.ts'
import {
  BLOB_BYTES,
  decodeBlob,
  decodeBlob2,
  decodeHandoffTables,
  decodeNonhost,
  decodeNote,
  decodeSeparator,
  decodeVersion,
} from './firmware.ts'
import { decodeGpt } from './gpt.ts'
import { decodeImageLoad } from './image-load.ts'
import { decodeIpl } from './ipl.ts'
import { decodeNoAction } from './no-action.ts'
import { wholeOf } from './slice.ts'
import { decodeSpdm } from './spdm.ts'
import { decodeTagged } from './tagged.ts'
import { asciiText } from './text.ts'
import { decodeAuthority, decodeVariable } from './variable.ts'

/** What a decoder gives; `measured` is added for all of them. */
type Body = DecodedEvent extends infer D ? (D extends unknown ? Omit<D, 'measured'> : never) : never
type Decoder = (data: Buffer, by: Measured, event: TcgEvent) => Body

const note =
  (kind: NoteKind): Decoder =>
  (data, by) => ({ kind, ...decodeNote(data, by) })
const image =
  (which: 'application' | 'boot-driver' | 'runtime-driver'): Decoder =>
  (data, by) => ({ kind: 'image-load', image: which, ...decodeImageLoad(data, by) })
const nonhost =
  (area: 'code' | 'config' | 'info'): Decoder =>
  (data, by) => ({ kind: 'nonhost', area, ...decodeNonhost(data, by) })
const action: Decoder = (data, by) => {
  const { text, data: raw } = decodeNote(data, by)
  return { kind: 'action', text: { value: text.value ?? raw.value.toString('latin1'), bound: text.bound } }
}

/** EV_POST_CODE: a text, or where the code stood. */
const postCode: Decoder = (data, by) => {
  const text = asciiText(data)
  if (text === null && data.length === BLOB_BYTES) return { kind: 'firmware-blob', ...decodeBlob(data, by) }
  return {
    kind: 'post-code',
    text: field(text ?? data.toString('latin1'), coverage(data, by), 0, data.length),
  }
}

/** EV_POST_CODE2: a text, or where the code stood behind a description of so many bytes. */
const postCode2: Decoder = (data, by, event) =>
  data.length > BLOB_BYTES && data.length === 1 + data.readUInt8(0) + BLOB_BYTES
    ? { kind: 'firmware-blob', ...decodeBlob2(data, by) }
    : postCode(data, by, event)

/** By event type (PFP 1.06, section 10.4.1). */
const DECODERS: ReadonlyMap<number, Decoder> = new Map<number, Decoder>([
  [0x00000000, note('preboot-cert')],
  [0x00000001, postCode],
  [0x00000003, data => decodeNoAction(wholeOf(data))],
  [0x00000004, (data, by) => ({ kind: 'separator', ...decodeSeparator(data, by) })],
  [0x00000005, action],
  [0x00000006, (data, by) => ({ kind: 'tagged', ...decodeTagged(data, by) })],
  [0x00000007, note('crtm-contents')],
  [0x00000008, (data, by) => ({ kind: 'crtm-version', ...decodeVersion(data, by) })],
  [0x00000009, note('cpu-microcode')],
  [0x0000000a, note('platform-config')],
  [0x0000000b, note('table-of-devices')],
  [0x0000000c, note('compact-hash')],
  [0x0000000d, (data, by, event) => ({ kind: 'ipl', ...decodeIpl(data, by, event.pcr) })],
  [0x0000000e, note('ipl-partition-data')],
  [0x0000000f, nonhost('code')],
  [0x00000010, nonhost('config')],
  [0x00000011, nonhost('info')],
  [0x00000012, note('omit-boot-device-events')],
  [0x00000013, postCode2],
  [0x80000001, (data, by) => ({ kind: 'variable', ...decodeVariable(data, by) })],
  [0x80000002, (data, by) => ({ kind: 'variable-boot', ...decodeVariable(data, by) })],
  [0x80000003, image('application')],
  [0x80000004, image('boot-driver')],
  [0x80000005, image('runtime-driver')],
  [0x80000006, (data, by) => ({ kind: 'gpt', ...decodeGpt(data, by) })],
  [0x80000007, action],
  [0x80000008, (data, by) => ({ kind: 'firmware-blob', ...decodeBlob(data, by) })],
  [0x80000009, (data, by) => ({ kind: 'handoff-tables', ...decodeHandoffTables(data, by, false) })],
  [0x8000000a, (data, by) => ({ kind: 'firmware-blob', ...decodeBlob2(data, by) })],
  [0x8000000b, (data, by) => ({ kind: 'handoff-tables', ...decodeHandoffTables(data, by, true) })],
  [0x8000000c, (data, by) => ({ kind: 'variable-boot', ...decodeVariable(data, by) })],
  [0x8000000d, (data, by) => ({ kind: 'gpt', ...decodeGpt(data, by) })],
  [0x80000010, note('h-crtm')],
  [0x800000e0, (data, by) => ({ kind: 'variable-authority', ...decodeAuthority(data, by) })],
  [0x800000e1, (data, by) => ({ kind: 'spdm', area: 'blob', ...decodeSpdm(data, by) })],
  [0x800000e2, (data, by) => ({ kind: 'spdm', area: 'config', ...decodeSpdm(data, by) })],
  [0x800000e3, (data, by) => ({ kind: 'variable', ...decodeVariable(data, by) })],
  [0x800000e4, (data, by) => ({ kind: 'variable-authority', ...decodeAuthority(data, by) })],
])

/**
 * Reads the data of one event by its type, each field with whether the event's digest in `bank` binds it. Pure. The data are the host's:
 * where they have not the form that the type calls for the result is `undecodable`, and nothing is thrown. That the digest was extended
 * into a PCR, and which value that PCR has, only a replay against a quote shows.
 */
export function decodeEvent(event: TcgEvent, bank: BankName): DecodedEvent {
  const { data } = event
  const by = measured(event, bank)
  const decoder = DECODERS.get(event.type)
  try {
    if (decoder === undefined) {
      const covered = coverage(data, by)
      return {
        measured: measuredWhat(by, false),
        kind: 'unknown',
        type: event.type,
        data: field(data, covered, 0, data.length),
      }
    }
    const body = decoder(data, by, event)
    return { measured: measuredWhat(by, hasBoundField(body)), ...body } as DecodedEvent
  } catch (error) {
    if (!(error instanceof EncodingError) && !(error instanceof EventDataError)) throw error
    const covered = coverage(data, by)
    return {
      measured: measuredWhat(by, false),
      kind: 'undecodable',
      typeName: eventTypeName(event.type),
      reason: error.message,
      offset: error.offset ?? null,
      data: field(data, covered, 0, data.length),
    }
  }
}

function measuredWhat(by: Measured, part: boolean): MeasuredWhat {
  if (by.digest === null) return 'nothing'
  if (by.data) return 'data'
  return part ? 'part' : 'elsewhere'
}

/** The digest of an image is bound by itself: it covers nothing of the data. */
function hasBoundField(body: Body): boolean {
  for (const name in body) {
    const value = (body as Readonly<Record<string, unknown>>)[name]
    if (name !== 'digest' && typeof value === 'object' && value !== null && 'bound' in value && value.bound)
      return true
  }
  return false
}
