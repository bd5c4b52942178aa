import { EncodingError } from './error.ts'

const HEX = /^(?:[0-9a-f]{2})*$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/** Lower-case hexadecimal to bytes; anything else is an {@link EncodingError} `BAD_HEX`. */
export function hexToBytes(hex: string, field = 'value'): Buffer {
  if (!HEX.test(hex))
    throw new EncodingError('BAD_HEX', `${field} is not lower-case hexadecimal`, { at: field })
  return Buffer.from(hex, 'hex')
}

/**
 * Standard padded base64 (RFC 4648 section 4) to bytes. Only the one canonical spelling is taken (section 3.5: unused
 * bits zero), so that no two texts stand for the same bytes.
 */
export function base64ToBytes(text: string, field = 'value'): Buffer {
  if (!BASE64.test(text))
    throw new EncodingError('BAD_BASE64', `${field} is not standard padded base64`, { at: field })
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) {
    throw new EncodingError('BAD_BASE64', `${field} has unused base64 bits set`, { at: field })
  }
  return bytes
}

/** Bytes to a string; malformed UTF-8 and a byte order mark are errors, nothing is replaced. */
export function utf8ToString(bytes: Uint8Array, field = 'text'): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new EncodingError('BAD_UTF8', `${field} is not UTF-8`, { at: field, cause })
  }
  if (text.startsWith('\uFEFF'))
    throw new EncodingError('BAD_UTF8', `${field} starts with a byte order mark`, { at: field })
  return text
}
