import { isDeepStrictEqual } from 'node:util'
import type { JsonSchema } from '../../authorization/published/json-schema.ts'

/** The part of JSON Schema (draft 2020-12) that the published schemas use. A keyword that is not known is a mistake, not a pass. */

type Keyword = (limit: unknown, value: unknown, schema: JsonSchema) => boolean

const isObject = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
const characters = (text: string): number => [...text].length
const ofText =
  (holds: (text: string, limit: never) => boolean): Keyword =>
  (limit, value) =>
    typeof value !== 'string' || holds(value, limit as never)
const ofList =
  (holds: (list: unknown[], limit: never) => boolean): Keyword =>
  (limit, value) =>
    !Array.isArray(value) || holds(value, limit as never)
const ofNumber =
  (holds: (number: number, limit: never) => boolean): Keyword =>
  (limit, value) =>
    typeof value !== 'number' || holds(value, limit as never)
const ofObject =
  (holds: (object: Record<string, unknown>, limit: never, schema: JsonSchema) => boolean): Keyword =>
  (limit, value, schema) =>
    !isObject(value) || holds(value, limit as never, schema)

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: value => typeof value === 'string',
  boolean: value => typeof value === 'boolean',
  null: value => value === null,
  integer: Number.isInteger,
  number: value => typeof value === 'number',
}

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  $schema: () => true,
  $id: () => true,
  title: () => true,
  description: () => true,
  type: (type, value) => TYPES[type as string]?.(value) === true,
  const: (wanted, value) => isDeepStrictEqual(value, wanted),
  enum: (choices, value) => (choices as unknown[]).some(choice => isDeepStrictEqual(value, choice)),
  anyOf: (choices, value) => (choices as JsonSchema[]).some(choice => isValid(choice, value)),
  pattern: ofText((text, pattern: string) => new RegExp(pattern, 'u').test(text)),
  minLength: ofText((text, least: number) => characters(text) >= least),
  maxLength: ofText((text, most: number) => characters(text) <= most),
  minimum: ofNumber((number, least: number) => number >= least),
  maximum: ofNumber((number, most: number) => number <= most),
  items: ofList((list, schema: JsonSchema) => list.every(item => isValid(schema, item))),
  minItems: ofList((list, least: number) => list.length >= least),
  maxItems: ofList((list, most: number) => list.length <= most),
  uniqueItems: ofList(list => new Set(list.map(item => JSON.stringify(item))).size === list.length),
  required: ofObject((object, names: string[]) => names.every(name => Object.hasOwn(object, name))),
  properties: ofObject((object, properties: Record<string, JsonSchema>) =>
    Object.entries(properties).every(
      ([name, schema]) => !Object.hasOwn(object, name) || isValid(schema, object[name]),
    ),
  ),
  additionalProperties: ofObject((object, rest: JsonSchema | false, schema) => {
    const known = (schema.properties ?? {}) as object
    return Object.entries(object).every(
      ([name, value]) => Object.hasOwn(known, name) || (rest !== false && isValid(rest, value)),
    )
  }),
  propertyNames: ofObject((object, schema: JsonSchema) =>
    Object.keys(object).every(name => isValid(schema, name)),
  ),
  maxProperties: ofObject((object, most: number) => Object.keys(object).length <= most),
}

/** @throws TypeError for a keyword that is not known */
export function isValid(schema: JsonSchema, value: unknown): boolean {
  return Object.entries(schema).every(([keyword, limit]) => {
    const holds = KEYWORDS[keyword]
    if (holds === undefined) throw new TypeError(`the keyword ${keyword} is not known`)
    return holds(limit, value, schema)
  })
}
