import { malformed } from './error.ts'
import type { Slice } from './slice.ts'

/** UTF-16 of a known length. An odd length or a NUL is an error: both hide text from whoever reads it. */
export function utf16Text({ bytes, start }: Slice, what: string): string {
  if (bytes.length % 2 !== 0 || bytes.length > MAX_TEXT_BYTES) {
    throw malformed(`${what}: ${bytes.length} bytes are no UTF-16 text`, start)
  }
  const text = bytes.toString('utf16le')
  const nul = text.indexOf('\0')
  if (nul >= 0) throw malformed(`${what}: a NUL inside the text`, start + 2 * nul)
  return text
}

/** Longer texts than loaders, firmware and variables have stay bytes. */
export const MAX_TEXT_BYTES = 64 << 10

/** Printable ASCII and white space without the NULs that end it, null for anything else. */
export function asciiText(bytes: Buffer): string | null {
  if (bytes.length > MAX_TEXT_BYTES) return null
  const text = bytes.toString('latin1').replace(/\0+$/, '')
  // Nothing but NULs is a number more often than a text.
  if (text === '' && bytes.length > 1) return null
  return /^[\t\n\r\x20-\x7e]*$/.test(text) ? text : null
}

/** What looks like UTF-16 of mostly Latin text with a terminating NUL, null for anything else. */
export function utf16TextIfAny(bytes: Buffer): string | null {
  if (
    bytes.length < 2 ||
    bytes.length > MAX_TEXT_BYTES ||
    bytes.length % 2 !== 0 ||
    bytes.readUInt16LE(bytes.length - 2) !== 0
  )
    return null
  const text = bytes.toString('utf16le', 0, bytes.length - 2)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(text) || !text.isWellFormed() ? null : text
}

/** UTF-16 that ends with a NUL, which is not part of the text. */
export function utf16zText({ bytes, start }: Slice, what: string): string {
  const end = bytes.length - 2
  if (end < 0 || bytes.length % 2 !== 0 || bytes.readUInt16LE(end) !== 0) {
    throw malformed(`${what}: no UTF-16 that ends with a NUL`, start)
  }
  return utf16Text({ bytes: bytes.subarray(0, end), start }, what)
}
