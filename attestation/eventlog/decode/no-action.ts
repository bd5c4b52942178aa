import type { Field } from './field.ts'
import { type Slice, SliceReader } from './slice.ts'
import { type PlatformIdFields, readPlatformId } from './sp800-155.ts'
import { readSpdm, type SpdmFields } from './spdm.ts'
import { asciiText } from './text.ts'

/** An EV_NO_ACTION event, told apart by a signature of 16 bytes (PFP 1.06, section 10.4.5). Nothing in one is ever bound. */
export type NoActionEvent =
  | {
      readonly kind: 'spec-id'
      readonly signature: Field<string>
      readonly version: Field<string>
      readonly errata: Field<number>
    }
  | { readonly kind: 'startup-locality'; readonly locality: Field<number> }
  | ({ readonly kind: 'sp800-155' } & PlatformIdFields)
  /** One component that was measured before TPM2_Startup. */
  | {
      readonly kind: 'h-crtm-component'
      readonly description: Field<string>
      /** 0: a digest, as TPMT_HA; 0x80: the data. */
      readonly format: Field<number>
      readonly measurement: Field<Buffer>
    }
  /** Something that was extended into an NV index instead of a PCR. */
  | ({ readonly kind: 'nv-index-instance' } & SpdmFields)
  | {
      readonly kind: 'nv-index-dynamic'
      readonly version: Field<number>
      readonly uid: Field<bigint>
      readonly description: Field<string>
      readonly data: Field<Buffer>
    }
  | {
      readonly kind: 'no-action-unknown'
      readonly signature: Field<string | null>
      readonly data: Field<Buffer>
    }

const SIGNATURE_BYTES = 16

type Reader = (reader: SliceReader, signature: string) => NoActionEvent

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['Spec ID Event00\0', readSpecId],
  ['Spec ID Event02\0', readSpecId],
  ['Spec ID Event03\0', readSpecId],
  ['StartupLocality\0', readStartupLocality],
  ['SP800-155 Event\0', reader => ({ kind: 'sp800-155', ...readPlatformId(reader, 1) })],
  ['SP800-155 Event2', reader => ({ kind: 'sp800-155', ...readPlatformId(reader, 2) })],
  ['SP800-155 Event3', reader => ({ kind: 'sp800-155', ...readPlatformId(reader, 3) })],
  ['H-CRTM CompMeas\0', readComponent],
  ['NvIndexInstance\0', readNvInstance],
  ['NvIndexDynamic \0', readNvDynamic],
])

export function decodeNoAction(slice: Slice): NoActionEvent {
  const reader = new SliceReader(slice, 'EV_NO_ACTION')
  const signature = slice.bytes.toString('latin1', 0, SIGNATURE_BYTES)
  const read = READERS.get(signature)
  if (read === undefined) {
    const text = asciiText(slice.bytes.subarray(0, SIGNATURE_BYTES))
    return {
      kind: 'no-action-unknown',
      signature: { value: text, bound: false },
      data: reader.field(() => reader.rest('data').bytes),
    }
  }
  reader.bytes(SIGNATURE_BYTES, 'Signature')
  const event = read(reader, signature)
  // Google's firmware pads its events with zeros.
  if (!slice.bytes.subarray(-reader.remaining || slice.bytes.length).every(byte => byte === 0)) reader.end()
  return event
}

/** The rest of a header belongs to the parser of the log, which relies on it. */
function readSpecId(reader: SliceReader, signature: string): NoActionEvent {
  reader.u32le('platformClass')
  const version = reader.field(() => {
    const minor = reader.u8('specVersionMinor')
    return `${reader.u8('specVersionMajor')}.${minor}`
  })
  const errata = reader.field(() => reader.u8('specErrata'))
  reader.rest('header')
  return {
    kind: 'spec-id',
    signature: { value: signature.replace(/\0$/, ''), bound: false },
    version,
    errata,
  }
}

function readStartupLocality(reader: SliceReader): NoActionEvent {
  return { kind: 'startup-locality', locality: reader.field(() => reader.u8('StartupLocality')) }
}

function readComponent(reader: SliceReader): NoActionEvent {
  const description = reader.field(() =>
    reader.bytes(reader.u8('ComponentDescriptionSize'), 'ComponentDescription').toString('latin1'),
  )
  const format = reader.field(() => reader.u8('MeasurementFormatType'))
  const measurement = reader.field(() =>
    reader.bytes(reader.u16le('ComponentMeasurementSize'), 'ComponentMeasurement'),
  )
  return { kind: 'h-crtm-component', description, format, measurement }
}

/** NV_INDEX_INSTANCE_EVENT_LOG_DATA: a version, six reserved bytes and a device security event. */
function readNvInstance(reader: SliceReader): NoActionEvent {
  reader.bytes(8, 'header')
  return { kind: 'nv-index-instance', ...readSpdm(reader) }
}

function readNvDynamic(reader: SliceReader): NoActionEvent {
  const version = reader.field(() => reader.u16le('Version'))
  reader.bytes(6, 'Reserved')
  const uid = reader.field(() => reader.u64le('Uid'))
  const description = reader.field(() =>
    reader.bytes(reader.u16le('DescriptionSize'), 'Description').toString('latin1').replace(/\0$/, ''),
  )
  const data = reader.field(() => reader.bytes(reader.u16le('DataSize'), 'Data'))
  return { kind: 'nv-index-dynamic', version, uid, description, data }
}
