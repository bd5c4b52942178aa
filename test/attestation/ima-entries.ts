import { hash } from 'node:crypto'
import { type FieldName, templateFields } from '../../attestation/ima/template.ts'

/** Fields as they stand in template data, without their lengths. */
export type FieldBytes = Partial<Record<FieldName, Buffer>>

export interface EntryOptions {
  pcr?: number
  template?: string
  fields?: FieldBytes
  violation?: boolean
  bigEndian?: boolean
  /** Hash of the column. */
  column?: 'sha1' | 'sha256' | 'sha384' | 'sha512'
}

export function number(value: number, bigEndian = false, size = 4): Buffer {
  const bytes = Buffer.alloc(size)
  if (bigEndian) bytes.writeUIntBE(value, 0, size)
  else bytes.writeUIntLE(value, 0, size)
  return bytes
}

export const text = (value: string): Buffer => Buffer.from(`${value}\0`)
export const digestField = (algorithm: string, digest: Buffer | string): Buffer =>
  Buffer.concat([
    Buffer.from(`${algorithm}:\0`),
    typeof digest === 'string' ? Buffer.from(digest, 'hex') : digest,
  ])

const DEFAULTS: FieldBytes = {
  d: Buffer.alloc(20, 0xd1),
  n: text('/bin/old'),
  'd-ng': digestField('sha256', Buffer.alloc(32, 0xab)),
  'd-ngv2': digestField('ima:sha256', Buffer.alloc(32, 0xab)),
  'n-ng': text('/bin/new'),
}

/** What the template hash is over, and an entry as the kernel writes it in both forms. */
export function kernelEntry(options: EntryOptions = {}) {
  const { pcr = 10, template = 'ima-ng', violation = false, bigEndian = false, column = 'sha1' } = options
  const names = templateFields(template) ?? []
  const values = names.map(name => options.fields?.[name] ?? DEFAULTS[name] ?? Buffer.alloc(0))
  const u32 = (value: number): Buffer => number(value, bigEndian)
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = values
  const legacy = template === 'ima'
  const sized = Buffer.concat(values.flatMap(value => [u32(value.length), value]))
  const data = legacy ? Buffer.concat([first, second, Buffer.alloc(256 - second.length)]) : sized
  const size = hash(column, '', 'buffer').length
  const columnBytes = violation ? Buffer.alloc(size) : hash(column, data, 'buffer')
  const body = legacy ? Buffer.concat([first, u32(second.length - 1), second.subarray(0, -1)]) : sized
  const binary = Buffer.concat([
    u32(pcr),
    columnBytes,
    u32(template.length),
    Buffer.from(template),
    ...(legacy ? [] : [u32(body.length)]),
    body,
  ])
  const shown = names.map((name, i) => [
    Buffer.from(' '),
    shownField(name, values[i] ?? Buffer.alloc(0), bigEndian),
  ])
  const ascii = Buffer.concat([
    Buffer.from(`${String(pcr).padStart(2)} ${columnBytes.toString('hex')} ${template}`),
    ...shown.flat(),
    Buffer.from('\n'),
  ])
  return { data, binary, ascii }
}

/** As ima_show_template_data_ascii shows a field. */
function shownField(name: FieldName, value: Buffer, bigEndian: boolean): Buffer {
  if (value.length === 0) return value
  switch (name) {
    case 'n':
    case 'n-ng':
    case 'xattrnames':
      return value.subarray(0, -1)
    case 'd-ng':
    case 'd-ngv2':
    case 'd-modsig': {
      const end = value.indexOf(0)
      return Buffer.concat([value.subarray(0, end), Buffer.from(value.toString('hex', end + 1))])
    }
    case 'iuid':
    case 'igid':
    case 'imode':
      return Buffer.from(
        String(bigEndian ? value.readUIntBE(0, value.length) : value.readUIntLE(0, value.length)),
      )
    default:
      return Buffer.from(value.toString('hex'))
  }
}
