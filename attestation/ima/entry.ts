import { ByteReader } from '../../encoding/byte-reader.ts'
import { EncodingError } from '../../encoding/error.ts'
import { ImaLogError } from './error.ts'

/** One decoded entry. Attested only if it lies before the position that a quote matches, and belongs to PCR 10. */
export interface ImaEntry {
  readonly index: number
  readonly pcr: number
  readonly template: string
  /** `algorithm:hex` of the file's content, for example `sha256:…`. All zero for a violation. */
  readonly digest: string
  /** The path as the kernel saw it in its mount namespace; bytes that are not UTF-8 as `\xNN`. */
  readonly path: string
  /** The file was changed while it was measured, so no digest says what was read (ima_add_violation). */
  readonly violation: boolean
  /** Whether the template hash in the log's own column is that of the template data. Nothing else is taken from the column. */
  readonly columnMatches: boolean
}

/** Templates and their fields (Linux Documentation/security/IMA-templates.rst). */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  'ima-ng': ['d-ng', 'n-ng'],
  'ima-sig': ['d-ng', 'n-ng', 'sig'],
  // What is no file: the command line of a kernel to be booted by kexec, as a crash kernel is at each boot.
  'ima-buf': ['d-ng', 'n-ng', 'buf'],
}

/** Hashes that IMA names in `d-ng` (crypto/hash_info.c), with the bytes of a digest. */
const DIGEST_BYTES: Readonly<Record<string, number>> = {
  sha1: 20,
  sha224: 28,
  sha256: 32,
  sha384: 48,
  sha512: 64,
}

/** What the frame around an entry's template data says. */
export interface ImaFrame {
  readonly index: number
  readonly pcr: number
  readonly template: string
  readonly violation: boolean
  readonly columnMatches: boolean
  readonly data: Uint8Array
}

function malformed(index: number, what: string, cause?: unknown): ImaLogError {
  return new ImaLogError('IMA_LOG_MALFORMED', `IMA log, entry ${index}: ${what}`, {
    at: `entry ${index}`,
    cause,
  })
}

/**
 * Decodes an entry's template data, whose hash is what PCR 10 was extended with.
 *
 * @throws ImaLogError `IMA_TEMPLATE_UNSUPPORTED` for another template, `IMA_LOG_MALFORMED`
 */
export function decodeEntry(frame: ImaFrame): ImaEntry {
  const { index, pcr, template, violation, columnMatches } = frame
  const fields = Object.hasOwn(TEMPLATES, template) ? TEMPLATES[template] : undefined
  if (fields === undefined) {
    throw new ImaLogError(
      'IMA_TEMPLATE_UNSUPPORTED',
      `IMA log, entry ${index}: template ${JSON.stringify(template)}`,
      {
        at: `entry ${index}`,
      },
    )
  }
  try {
    const reader = new ByteReader(frame.data, `template ${template}`)
    const [digest, path] = fields.map(name => reader.bytes(reader.u32le(`${name}.length`), name))
    reader.end()
    if (digest === undefined || path === undefined) throw malformed(index, 'no digest or no path')
    return {
      index,
      pcr,
      template,
      violation,
      columnMatches,
      digest: readDigest(digest, index),
      path: readPath(path, index),
    }
  } catch (cause) {
    if (cause instanceof EncodingError) throw malformed(index, cause.message, cause)
    throw cause
  }
}

/** `d-ng`: the hash's name, a colon, a zero byte, the digest (ima_eventdigest_init_common). */
function readDigest(field: Buffer, index: number): string {
  const end = field.indexOf(0)
  const name = end > 0 && field[end - 1] === 0x3a ? field.toString('latin1', 0, end - 1) : ''
  const size = Object.hasOwn(DIGEST_BYTES, name) ? DIGEST_BYTES[name] : undefined
  if (size === undefined || field.length !== end + 1 + size)
    throw malformed(index, 'its file digest is malformed')
  return `${name}:${field.toString('hex', end + 1)}`
}

/** `n-ng`: the path and a zero byte. A file's name may be any bytes. */
function readPath(field: Buffer, index: number): string {
  const end = field.indexOf(0)
  if (end < 0 || end !== field.length - 1)
    throw malformed(index, 'its path does not end where the field does')
  const text = field.toString('utf8', 0, end)
  // A replacement character stands for any bad byte, and would make two names one.
  if (!text.includes('\uFFFD')) return text
  return Array.from(field.subarray(0, end), byte =>
    byte >= 0x20 && byte < 0x7f && byte !== 0x5c
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0')}`,
  ).join('')
}
