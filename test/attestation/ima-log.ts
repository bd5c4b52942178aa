import { hash } from 'node:crypto'
import { u32le } from './tcg-log.ts'

export interface ImaFields {
  pcr?: number
  template?: string
  /** Hexadecimal. */
  digest?: string
  algorithm?: string
  path?: string | Buffer
  signature?: Buffer
  violation?: boolean
  /** Instead of the SHA-1 of the template data. */
  column?: Buffer
}

function field(bytes: Uint8Array): Buffer {
  return Buffer.concat([u32le(bytes.length), bytes])
}

export function templateData(fields: ImaFields): Buffer {
  const {
    template = 'ima-ng',
    algorithm = 'sha256',
    path = '/bin/true',
    signature = Buffer.alloc(0),
  } = fields
  const digest = fields.violation
    ? Buffer.alloc(32)
    : Buffer.from(fields.digest ?? hash('sha256', path), 'hex')
  return Buffer.concat([
    field(Buffer.concat([Buffer.from(`${algorithm}:\0`), digest])),
    field(Buffer.concat([Buffer.from(path), Buffer.of(0)])),
    ...(['ima-sig', 'ima-buf'].includes(template) ? [field(signature)] : []),
  ])
}

/** One entry as the kernel's binary log has it. */
export function imaEntry(fields: ImaFields = {}): Buffer {
  const { pcr = 10, template = 'ima-ng', violation = false } = fields
  const data = templateData(fields)
  const column = fields.column ?? (violation ? Buffer.alloc(20) : hash('sha1', data, 'buffer'))
  return Buffer.concat([u32le(pcr), column, field(Buffer.from(template)), field(data)])
}

/** What the kernel extends the SHA-256 bank with for an entry. */
export function templateHash(fields: ImaFields, extend: 'native' | 'padded' = 'native'): Buffer {
  if (fields.violation) return Buffer.alloc(32, 0xff)
  const data = templateData(fields)
  return extend === 'native'
    ? hash('sha256', data, 'buffer')
    : Buffer.concat([hash('sha1', data, 'buffer'), Buffer.alloc(12)])
}

/**
 * A text log (ascii_runtime_measurements) in the binary form, template `ima-ng` or `ima-sig`. What does not fit a field comes out
 * malformed there too.
 */
export function readAsciiImaLog(text: string): Buffer {
  const lines = text.split('\n').filter(line => line !== '')
  return Buffer.concat(lines.map(asciiEntry))
}

function asciiEntry(line: string): Buffer {
  const match = /^\s*(\d+) ([0-9a-f]+) (\S+) ([^ :]*):([0-9a-f]*) (.*)$/.exec(line)
  // A line that is no entry becomes bytes that are none.
  if (match === null) return Buffer.alloc(64, 0xff)
  const [, pcr, column = '', template = '', algorithm = '', digest = '', rest = ''] = match
  const [path, signature] = template === 'ima-sig' ? splitSignature(rest) : [rest, '']
  const data = Buffer.concat([
    field(Buffer.concat([Buffer.from(`${algorithm}:\0`), Buffer.from(digest, 'hex')])),
    field(Buffer.from(`${path}\0`)),
    ...(template === 'ima-sig' ? [field(Buffer.from(signature, 'hex'))] : []),
  ])
  const hashed = Buffer.alloc(20)
  hashed.write(column, 'hex')
  return Buffer.concat([u32le(Number(pcr)), hashed, field(Buffer.from(template)), field(data)])
}

function splitSignature(rest: string): [string, string] {
  const match = /^(.*) ([0-9a-f]*)$/.exec(rest)
  return match === null ? [rest, ''] : [match[1] ?? '', match[2] ?? '']
}
