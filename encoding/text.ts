import { EncodingError } from './error.ts'

/** Lower-case hexadecimal to bytes; anything else is an {@link EncodingError} `BAD_HEX`. */
export function hexToBytes(hex: string, field = 'value'): Buffer {
  const bytes = Buffer.from(hex, 'hex')
  // Node stops at what is not hexadecimal and takes upper case: only the canonical text comes back the same.
  if (bytes.toString('hex') !== hex) {
    throw new EncodingError('BAD_HEX', `${field} is not lower-case hexadecimal`, { at: field })
  }
  return bytes
}

/**
 * Standard padded base64 (RFC 4648 section 4) to bytes. Only the one canonical spelling is taken (section 3.5: unused
 * bits zero), so that no two texts stand for the same bytes.
 */
export function base64ToBytes(text: string, field = 'value'): Buffer {
  const bytes = Buffer.from(text, 'base64')
  // Node skips white space and takes the URL-safe alphabet: only the canonical text comes back the same.
  if (bytes.toString('base64') !== text) {
    throw new EncodingError('BAD_BASE64', `${field} is not canonical padded base64`, { at: field })
  }
  return bytes
}

/**
 * URL-safe base64 without padding (RFC 7515 section 2, RFC 4648 section 5) to bytes, in the one canonical spelling.
 */
export function base64UrlToBytes(text: string, field = 'value'): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text) {
    throw new EncodingError('BAD_BASE64', `${field} is not canonical URL-safe base64 without padding`, {
      at: field,
    })
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
