import { kernelHashSize } from './algorithms.ts'
import { matchesColumn } from './column.ts'
import { entryError, type ImaLogError } from './error.ts'
import { isColumnBytes, LEGACY_DIGEST_BYTES, LEGACY_NAME_BYTES } from './layout.ts'
import { type FieldKind, type FieldName, fieldKind, LEGACY_TEMPLATE, templateFields } from './template.ts'

/** One entry in the binary form, and whether the template hash in its column is that of its data. */
export interface BinaryEntry {
  readonly bytes: Buffer
  readonly columnBytes: number
  readonly bigEndian: boolean
  /** Null for a violation, whose column says nothing of the data. */
  readonly matches: boolean | null
}

const SPACE = 0x20

/**
 * Writes one entry of the text form (ima_fs.c, ima_ascii_measurements_show) in the binary form. The text form says less: it separates by
 * spaces, and shows neither an empty string's zero byte nor the byte order of numbers. Where two readings are possible, the one that
 * fits the column is taken; none of them is believed before PCR 10 says so.
 *
 * @param line without the line feed; controlled by the host
 * @throws ImaLogError
 */
export function binaryEntry(line: Buffer, index: number, bigEndian: boolean): BinaryEntry {
  const [pcr, columnText, template, rest] = splitLine(line, index)
  const column = hexBytes(columnText, index, 'its template hash')
  if (!isColumnBytes(column.length)) throw malformed(index, `a template hash of ${column.length} bytes`)
  const names = templateFields(template)
  if (names === null)
    throw entryError('IMA_TEMPLATE_UNSUPPORTED', index, `template ${JSON.stringify(template)}`)
  const violation = column.every(byte => byte === 0)
  const texts = splitFields(rest, names, index)
  const readings = template === LEGACY_TEMPLATE ? [legacyData] : [ngData, ngDataWithEmptyStrings]
  const entries = readings.map(read => read({ names, texts, index, bigEndian, violation }))
  const fitting = violation ? undefined : entries.find(({ hashed }) => matchesColumn(column, hashed))
  const [first] = entries
  if (first === undefined) throw malformed(index, 'no reading')
  return {
    bytes: Buffer.concat([
      u32(pcr, bigEndian),
      column,
      u32(template.length, bigEndian),
      Buffer.from(template, 'latin1'),
      (fitting ?? first).written,
    ]),
    columnBytes: column.length,
    bigEndian,
    matches: violation ? null : fitting !== undefined,
  }
}

/** PCR, padded with spaces to two characters; template hash; template; what follows one space behind it. */
function splitLine(line: Buffer, index: number): [number, Buffer, string, Buffer] {
  let start = 0
  while (line[start] === SPACE) start++
  const word = (): Buffer => {
    const end = line.indexOf(SPACE, start)
    const found = line.subarray(start, end < 0 ? line.length : end)
    start = end < 0 ? line.length : end + 1
    return found
  }
  const pcr = word().toString('latin1')
  if (!/^[0-9]{1,3}$/.test(pcr)) throw malformed(index, 'it does not begin with the number of a PCR')
  return [Number(pcr), word(), word().toString('latin1'), line.subarray(start)]
}

/**
 * The text of each field. Spaces within a path (kernels before 3.13 wrote them; a name made up by hand) belong to the first string of the
 * template. Empty fields at the end may be missing with their space, as editors take it away.
 */
function splitFields(rest: Buffer, names: readonly FieldName[], index: number): Buffer[] {
  const words: Buffer[] = []
  for (let start = 0; ; ) {
    const end = rest.indexOf(SPACE, start)
    words.push(rest.subarray(start, end < 0 ? rest.length : end))
    if (end < 0) break
    start = end + 1
  }
  const more = words.length - names.length
  const text = names.findIndex(name => fieldKind(name) === 'string')
  if (more > 0) {
    if (text < 0) throw malformed(index, 'it has more fields than its template')
    const joined = words.splice(text, more + 1)
    words.splice(
      text,
      0,
      Buffer.concat(joined.flatMap((word, i) => (i === 0 ? [word] : [Buffer.from(' '), word]))),
    )
  }
  while (words.length < names.length) words.push(Buffer.alloc(0))
  return words
}

interface Reading {
  /** What the template hash is over, and the same as the binary form writes it. */
  readonly hashed: Buffer
  readonly written: Buffer
}
interface Source {
  readonly names: readonly FieldName[]
  readonly texts: readonly Buffer[]
  readonly index: number
  readonly bigEndian: boolean
  readonly violation: boolean
}

function legacyData({ texts, index, bigEndian }: Source): Reading {
  const [digestText = Buffer.alloc(0), name = Buffer.alloc(0)] = texts
  const digest = hexBytes(digestText, index, 'its file digest')
  if (digest.length !== LEGACY_DIGEST_BYTES) throw malformed(index, 'its file digest is malformed')
  if (name.length > LEGACY_NAME_BYTES || name.includes(0)) throw malformed(index, 'its path is malformed')
  const padding = Buffer.alloc(LEGACY_NAME_BYTES + 1 - name.length)
  return {
    hashed: Buffer.concat([digest, name, padding]),
    written: Buffer.concat([digest, u32(name.length, bigEndian), name]),
  }
}

const ngData = (source: Source): Reading => fieldData(source, true)
const ngDataWithEmptyStrings = (source: Source): Reading => fieldData(source, false)

function fieldData(source: Source, terminateEmpty: boolean): Reading {
  const { names, texts, bigEndian } = source
  const data = Buffer.concat(
    names.flatMap((name, i) => {
      const bytes = fieldBytes(source, name, texts[i] ?? Buffer.alloc(0), terminateEmpty)
      return [u32(bytes.length, bigEndian), bytes]
    }),
  )
  return { hashed: data, written: Buffer.concat([u32(data.length, bigEndian), data]) }
}

function fieldBytes(source: Source, name: FieldName, text: Buffer, terminateEmpty: boolean): Buffer {
  const { index, bigEndian } = source
  const kind: FieldKind = fieldKind(name)
  switch (kind) {
    case 'string':
      if (text.includes(0)) throw malformed(index, `a zero byte in ${name}`)
      if (text.length === 0 && (name === 'xattrnames' || !terminateEmpty)) return text
      return Buffer.concat([text, Buffer.of(0)])
    case 'bytes':
      return hexBytes(text, index, `its field ${name}`)
    case 'u32':
    case 'u16':
      return number(text, kind === 'u32' ? 4 : 2, index, name, bigEndian)
    case 'digest':
      return hexBytes(text, index, `its field ${name}`)
    case 'digest-ng':
    case 'digest-ngv2':
      return text.length === 0 && name === 'd-modsig' ? text : digestBytes(source, name, text)
  }
}

/** `[type:][algorithm:]hex`, in the log's data the label with its colon, a zero byte, and the digest. */
function digestBytes({ index, violation }: Source, name: FieldName, text: Buffer): Buffer {
  const colon = text.lastIndexOf(0x3a)
  const label = text.toString('latin1', 0, Math.max(colon, 0))
  const digest = hexBytes(text.subarray(colon + 1), index, 'its file digest')
  const algorithm = name === 'd-ngv2' ? label.slice(label.indexOf(':') + 1) : label
  const size = algorithm === '' ? bareSize(digest) : kernelHashSize(algorithm)
  if (size === undefined)
    throw entryError('IMA_DIGEST_UNSUPPORTED', index, `a digest by ${JSON.stringify(algorithm)}`)
  if (digest.length !== size && !(violation && digest.length === LEGACY_DIGEST_BYTES))
    throw malformed(index, 'its file digest is malformed')
  return Buffer.concat([Buffer.from(`${label}:\0`, 'latin1'), digest])
}

/** SHA-1 and MD5 alone stand without a name. */
function bareSize(digest: Buffer): number | undefined {
  return digest.length === 16 || digest.length === 20 ? digest.length : 20
}

function number(text: Buffer, size: 2 | 4, index: number, name: FieldName, bigEndian: boolean): Buffer {
  if (text.length === 0) return text
  const value = Number(text.toString('latin1'))
  if (!/^[0-9]{1,10}$/.test(text.toString('latin1')) || value >= 2 ** (8 * size))
    throw malformed(index, `its field ${name} is no number of ${size} bytes`)
  const bytes = Buffer.alloc(size)
  if (bigEndian) bytes.writeUIntBE(value, 0, size)
  else bytes.writeUIntLE(value, 0, size)
  return bytes
}

function hexBytes(text: Buffer, index: number, what: string): Buffer {
  const bytes = Buffer.from(text.toString('latin1'), 'hex')
  // Buffer.from stops at the first pair that is no hexadecimal.
  if (bytes.length * 2 !== text.length) throw malformed(index, `${what} is not hexadecimal`)
  return bytes
}

function u32(value: number, bigEndian: boolean): Buffer {
  const bytes = Buffer.alloc(4)
  if (bigEndian) bytes.writeUInt32BE(value)
  else bytes.writeUInt32LE(value)
  return bytes
}

function malformed(index: number, what: string): ImaLogError {
  return entryError('IMA_LOG_MALFORMED', index, what)
}
