/** What a key of a TOML file can be set to here. */
export type TomlValue = string | number | boolean | readonly TomlValue[]

/**
 * A line that sets a key (TOML 1.0, "Key/Value Pair"). A basic string has the escapes of JSON, and may not hold DEL, which JSON may. The
 * library's own writer is not for the packaged executable: it has DEL itself in its code, and the executable's is printable ASCII.
 *
 * @param key a bare key
 */
export function tomlLine(key: string, value: TomlValue): string {
  return `${key} = ${text(value)}`
}

function text(value: TomlValue): string {
  if (typeof value === 'string') return JSON.stringify(value).replace(/\x7f/g, '\\u007f')
  return typeof value === 'object' ? `[${value.map(text).join(', ')}]` : String(value)
}
