/** Looks like what stands for a byte that cannot be shown. */
const LOOKS_ESCAPED = /\\x[0-9a-f]{2}/

/**
 * A path as text. One that is not UTF-8 gets its odd bytes, and its backslashes, as `\xNN`; so does one that would look like that, so that no
 * two names become one.
 *
 * @param bytes without the zero byte at the end; a file's name may be any bytes
 */
export function pathText(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  // A replacement character stands for any bad byte.
  if (!text.includes('\uFFFD') && !(text.includes('\\x') && LOOKS_ESCAPED.test(text))) return text
  return escaped(bytes)
}

const HEX = Buffer.from('0123456789abcdef')

/** Written as bytes: a text for each byte of a long path would take a hundred times its memory. */
function escaped(bytes: Buffer): string {
  const text = Buffer.allocUnsafe(4 * bytes.length)
  let at = 0
  for (const byte of bytes) {
    if (byte >= 0x20 && byte < 0x7f && byte !== 0x5c) text[at++] = byte
    else {
      text[at++] = 0x5c
      text[at++] = 0x78
      text[at++] = HEX[byte >> 4] ?? 0
      text[at++] = HEX[byte & 15] ?? 0
    }
  }
  return text.toString('latin1', 0, at)
}

/**
 * The path under which IMA logs a file: spaces are underscores there, since the log's text form separates by spaces
 * (ima_template_lib.c, ima_write_template_field_data).
 *
 * @param path as the file system has it
 */
export function loggedPath(path: Uint8Array | string): string {
  const bytes = Buffer.from(path)
  for (let i = bytes.indexOf(0x20); i >= 0; i = bytes.indexOf(0x20, i + 1)) bytes[i] = 0x5f
  return pathText(bytes)
}
