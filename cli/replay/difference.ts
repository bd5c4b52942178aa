import type { JsonObject, JsonValue } from '../../encoding/json.ts'

/** Where two values first differ. */
export interface Difference {
  /** The field, such as `terms.argv[2]`; empty for the whole value. */
  readonly at: string
  /** Undefined where that side has no such field. */
  readonly recorded: JsonValue | undefined
  readonly expected: JsonValue | undefined
}

/** Members that say the most come first; all others follow in the order of their names. */
const FIRST: readonly string[] = ['v', 'type', 'outcome', 'stage', 'reasons']

/** The first field in which two JSON values differ; null if they say the same. */
export function firstDifference(recorded: JsonValue, expected: JsonValue, at = ''): Difference | null {
  if (Array.isArray(recorded) && Array.isArray(expected)) return inList(recorded, expected, at)
  if (isObject(recorded) && isObject(expected)) return inObject(recorded, expected, at)
  return recorded === expected ? null : { at, recorded, expected }
}

function inList(recorded: JsonValue[], expected: JsonValue[], at: string): Difference | null {
  for (let i = 0; i < Math.max(recorded.length, expected.length); i++) {
    const found = member(recorded[i], expected[i], `${at}[${i}]`)
    if (found !== null) return found
  }
  return null
}

function inObject(recorded: JsonObject, expected: JsonObject, at: string): Difference | null {
  const names = [...new Set([...Object.keys(recorded), ...Object.keys(expected)])].sort()
  const ordered = [
    ...FIRST.filter(name => names.includes(name)),
    ...names.filter(name => !FIRST.includes(name)),
  ]
  for (const name of ordered) {
    const one = Object.hasOwn(recorded, name) ? recorded[name] : undefined
    const other = Object.hasOwn(expected, name) ? expected[name] : undefined
    const found = member(one, other, at === '' ? name : `${at}.${name}`)
    if (found !== null) return found
  }
  return null
}

function member(
  recorded: JsonValue | undefined,
  expected: JsonValue | undefined,
  at: string,
): Difference | null {
  if (recorded === undefined || expected === undefined) {
    return recorded === expected ? null : { at, recorded, expected }
  }
  return firstDifference(recorded, expected, at)
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
