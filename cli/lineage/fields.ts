import type { JsonValue } from '../../encoding/json.ts'

/** One value of an entry: where it is, and its text. */
export interface Field {
  /** Keys joined by dots; items of a list have the list's own path. */
  readonly path: string
  readonly value: string
}

/** Levels of what entries, records and artifacts hold: beyond them nothing is looked at. */
const MAX_DEPTH = 16

/**
 * Every value of a JSON value, in its order. Nulls are none.
 *
 * @param value controlled by whoever wrote the log
 */
export function* fieldsOf(value: unknown, path = '', depth = 0): Generator<Field, void, undefined> {
  if (value === null || value === undefined || depth > MAX_DEPTH) return
  if (value instanceof Uint8Array) return
  if (Array.isArray(value)) {
    for (const item of value) yield* fieldsOf(item, path, depth + 1)
  } else if (typeof value === 'object') {
    for (const [key, item] of Object.entries(value as Record<string, JsonValue>))
      yield* fieldsOf(item, path === '' ? key : `${path}.${key}`, depth + 1)
  } else yield { path, value: String(value) }
}

/** Whether a field is one that was named: by its whole path, or by the end of it (`uid` is `caller.uid` too). */
export function isNamed({ path }: Field, names: readonly string[]): boolean {
  return names.length === 0 || names.some(name => path === name || path.endsWith(`.${name}`))
}
