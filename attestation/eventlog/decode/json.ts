import type { DecodedEvent } from './decoded.ts'

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue }

/**
 * A decoded event as JSON: bytes in hex, 64-bit numbers in decimal digits as text (many readers of JSON keep 53 bits), everything else as
 * it is. Each field is `{ "value": …, "bound": true | false }`.
 */
export function decodedEventJson(event: DecodedEvent): { readonly [name: string]: JsonValue } {
  return objectToJson(event)
}

/** What decoders give is trees of a few levels: nesting is bounded by their types, not by the log. */
function toJson(value: unknown): JsonValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
    return value
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array)
    return (
      Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    ).toString('hex')
  if (Array.isArray(value)) return value.map(toJson)
  return objectToJson(value as object)
}

/** The names are those of decoders' types, so that none of them is `__proto__`. */
function objectToJson(value: object): Record<string, JsonValue> {
  const json: Record<string, JsonValue> = {}
  for (const name in value) json[name] = toJson((value as Record<string, unknown>)[name])
  return json
}
