import type { JsonObject, JsonValue } from '../../encoding/json.ts'
import { LineageError } from '../error.ts'

/**
 * Checks a value strictly and writes it as canonical JSON (RFC 8785) in one pass. Events are written at the rate of requests, so
 * nothing is built in between.
 */
export interface Codec<T> {
  /** @throws LineageError `EVENT_INVALID` */
  write(value: unknown): string
  /** JSON Schema (draft 2020-12) of what `write` takes; where it cannot say a rule, it takes more. */
  readonly schema: JsonObject
  /** Only a type: what `write` takes. */
  readonly type?: T
}

/** The type that a codec takes. */
export type TypeOf<C> = C extends Codec<infer T> ? T : never

function invalid(what: string): LineageError {
  return new LineageError('EVENT_INVALID', what)
}

function within(key: string | number, error: unknown): unknown {
  if (!(error instanceof LineageError)) return error
  const at = error.at === undefined ? String(key) : `${key}.${error.at}`
  return new LineageError('EVENT_INVALID', error.message, { at })
}

function quote(text: string): string {
  if (!text.isWellFormed()) throw invalid('a lone surrogate')
  return JSON.stringify(text)
}

/**
 * A string that matches; `what` says what it should be. Most of an event are such strings, so they are not looked at again.
 *
 * @param pattern matches whole strings, and none with what JSON escapes: quotes, backslashes, control characters, lone surrogates
 */
export function matching(pattern: RegExp, what: string): Codec<string> {
  return {
    write(value) {
      if (typeof value !== 'string' || !pattern.test(value)) throw invalid(`not ${what}`)
      return `"${value}"`
    },
    schema: { type: 'string', pattern: pattern.source.replaceAll('\\/', '/'), description: what },
  }
}

/** Any well-formed text of at most `max` UTF-16 units. */
export function text(max: number): Codec<string> {
  return {
    write(value) {
      if (typeof value !== 'string' || value.length > max)
        throw invalid(`not a string of at most ${max} characters`)
      return quote(value)
    },
    schema: { type: 'string', maxLength: max },
  }
}

/** An integer from `min` to `max`, which is at most 2^53-1. */
export function integer(min = 0, max: number = Number.MAX_SAFE_INTEGER): Codec<number> {
  return {
    write(value) {
      if (
        typeof value !== 'number' ||
        !Number.isSafeInteger(value) ||
        value < min ||
        value > max ||
        Object.is(value, -0)
      ) {
        throw invalid(`not an integer from ${min} to ${max}`)
      }
      return String(value)
    },
    schema: { type: 'integer', minimum: min, maximum: max },
  }
}

export const boolean: Codec<boolean> = {
  write(value) {
    if (typeof value !== 'boolean') throw invalid('not a boolean')
    return String(value)
  },
  schema: { type: 'boolean' },
}

/** One of a few strings. */
export function oneOf<const T extends string>(...options: readonly T[]): Codec<T> {
  const written = new Map<unknown, string>(options.map(option => [option, JSON.stringify(option)]))
  return {
    write(value) {
      const text = written.get(value)
      if (text === undefined) throw invalid(`not one of ${options.join(', ')}`)
      return text
    },
    schema: { enum: [...options] },
  }
}

/** Exactly this value. */
export function constant<const T extends string | number>(expected: T): Codec<T> {
  const written = JSON.stringify(expected)
  return {
    write(value) {
      if (value !== expected) throw invalid(`not ${written}`)
      return written
    },
    schema: { const: expected },
  }
}

/** A value or null. */
export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return {
    write: value => (value === null ? 'null' : inner.write(value)),
    schema: { anyOf: [inner.schema, { type: 'null' }] },
  }
}

/** A list of at most `max`. */
export function list<T>(inner: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    write(value) {
      if (!Array.isArray(value) || value.length > max) throw invalid(`not a list of at most ${max}`)
      if (value.length === 0) return '[]'
      return `[${value.map((item, i) => attempt(i, () => inner.write(item))).join(',')}]`
    },
    schema: { type: 'array', items: inner.schema, maxItems: max },
  }
}

function attempt(key: string | number, write: () => string): string {
  try {
    return write()
  } catch (error) {
    throw within(key, error)
  }
}

/** An object with any keys that match, at most `max`. */
export function record<T>(keys: RegExp, inner: Codec<T>, max: number): Codec<Readonly<Record<string, T>>> {
  return {
    write(value) {
      const entries = isObject(value) ? Object.entries(value) : undefined
      if (entries === undefined || entries.length > max)
        throw invalid(`not an object of at most ${max} members`)
      entries.sort(([a], [b]) => (a < b ? -1 : 1))
      const members = entries.map(([key, item]) => {
        if (!keys.test(key)) throw invalid(`unexpected key ${JSON.stringify(key).slice(0, 80)}`)
        return `${JSON.stringify(key)}:${attempt(key, () => inner.write(item))}`
      })
      return `{${members.join(',')}}`
    },
    schema: {
      type: 'object',
      propertyNames: { pattern: keys.source },
      additionalProperties: inner.schema,
      maxProperties: max,
    },
  }
}

export type Fields = Readonly<Record<string, Codec<unknown>>>
export type ObjectOf<F extends Fields> = { readonly [K in keyof F]: TypeOf<F[K]> }

/** An object with exactly these fields. */
export function object<const F extends Fields>(fields: F): Codec<ObjectOf<F>> {
  const codecs = Object.entries(fields)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, codec]) => ({ key, codec, label: `${JSON.stringify(key)}:` }))
  return {
    write(value) {
      if (!isObject(value)) throw invalid('not an object')
      let out = '{'
      let known = ''
      try {
        for (const { key, codec, label } of codecs) {
          known = key
          if (value[key] === undefined) throw invalid('missing')
          out += (out.length > 1 ? `,${label}` : label) + codec.write(value[key])
        }
      } catch (error) {
        throw within(known, error)
      }
      if (Object.keys(value).length !== codecs.length) {
        const unknown = Object.keys(value).find(key => !Object.hasOwn(fields, key))
        throw within(unknown?.slice(0, 80) ?? '', invalid('an unknown field'))
      }
      return `${out}}`
    },
    schema: {
      type: 'object',
      properties: Object.fromEntries(codecs.map(({ key, codec }) => [key, codec.schema])),
      required: codecs.map(({ key }) => key),
      additionalProperties: false,
    },
  }
}

function isObject(value: unknown): value is Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
