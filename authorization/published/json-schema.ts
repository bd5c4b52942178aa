import type * as v from 'valibot'

/** JSON Schema (draft 2020-12) of the project's own schemas, as far as it can say what they say. */

export type JsonSchema = { [keyword: string]: unknown }

/** What is read of a schema: valibot's types are made for inference, not for looking at. */
interface Looked {
  readonly type: string
  readonly entries?: Readonly<Record<string, Looked>>
  readonly item?: Looked
  readonly wrapped?: Looked
  readonly options?: readonly unknown[]
  readonly literal?: unknown
  readonly pipe?: readonly Action[]
}
interface Action {
  readonly kind: string
  readonly type: string
  readonly requirement?: unknown
  readonly message?: unknown
}

/** Letters of ECMA-262 that every reader of regular expressions has. */
const CONTROL = '\\u0000-\\u001f\\u007f-\\u009f'
const PART = `(?!\\.{1,2}(?:/|$))[^/\\u0000]+`

/**
 * Rules that are functions, by what they say of a value that they refuse. One that is not here cannot be said: the schema then takes more than
 * the parser.
 */
const RULES: Readonly<Record<string, JsonSchema>> = {
  'something is listed twice': { uniqueItems: true },
  'not an absolute path without empty, "." and ".." parts': { pattern: `^/(?:${PART}(?:/${PART})*)?$` },
  'has a NUL or is not Unicode text': { pattern: '^[^\\u0000]*$' },
  // The members of `policies` in a bundle, whose keys are ids.
  'more than 4096 policies': { maxProperties: 4096 },
  'an id is not one': { propertyNames: { pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' } },
  'a policy is not bounded text': {
    additionalProperties: { type: 'string', minLength: 1, maxLength: 262_144 },
  },
  'not base64 of a possible length': { pattern: '^[A-Za-z0-9+/]*={0,2}$' },
  'not a cgroup': { pattern: `^/[^${CONTROL}]*$` },
}

/** Of actions, by their type. A length in UTF-16 units or bytes is never less than one in characters. */
const ACTIONS: Readonly<Record<string, (requirement: unknown) => JsonSchema>> = {
  regex: pattern => ({ pattern: (pattern as RegExp).source.replaceAll('\\/', '/') }),
  min_length: least => ({ least }),
  max_length: most => ({ most }),
  max_bytes: most => ({ most }),
  min_value: minimum => ({ minimum }),
  max_value: maximum => ({ maximum }),
  safe_integer: () => ({ type: 'integer' }),
}

/** The JSON Schema of a schema. @throws TypeError for a kind of schema that none of the documents has */
export function jsonSchemaOf(
  schema: v.GenericSchema,
  describe: (path: string) => string | undefined,
): JsonSchema {
  return convert(schema as unknown as Looked, '', describe)
}

function convert(schema: Looked, path: string, describe: (path: string) => string | undefined): JsonSchema {
  const description = describe(path)
  return { ...(description === undefined ? {} : { description }), ...body(schema, path, describe) }
}

function body(schema: Looked, path: string, describe: (path: string) => string | undefined): JsonSchema {
  const actions = actionsOf(schema)
  const base = shape(schema, path, describe)
  const said = Object.assign({}, ...actions.map(sayAction)) as JsonSchema
  const { least, most, ...rest } = said
  const [min, max] = base.type === 'array' ? ['minItems', 'maxItems'] : ['minLength', 'maxLength']
  return {
    ...base,
    ...(least === undefined ? {} : { [min]: least }),
    ...(most === undefined ? {} : { [max]: most }),
    ...rest,
  }
}

/** A pipe may begin with a schema that is a pipe itself. */
function actionsOf({ pipe }: Pick<Looked, 'pipe'>): readonly Action[] {
  const [first, ...rest] = pipe ?? []
  return first === undefined ? [] : [...actionsOf(first as Pick<Looked, 'pipe'>), ...rest]
}

function sayAction({ type, requirement, message }: Action): JsonSchema {
  return type === 'check' ? (RULES[String(message)] ?? {}) : (ACTIONS[type]?.(requirement) ?? {})
}

function shape(schema: Looked, path: string, describe: (path: string) => string | undefined): JsonSchema {
  const below = (inner: unknown, name = '') => convert(inner as Looked, path + name, describe)
  const at = path === '' ? '' : `${path}.`
  switch (schema.type) {
    case 'strict_object':
      return objectShape(schema.entries ?? {}, at, describe)
    case 'array':
      return { type: 'array', items: below(schema.item, '[]') }
    case 'string':
      return { type: 'string' }
    case 'number':
      return { type: 'number' }
    case 'boolean':
      return { type: 'boolean' }
    case 'custom':
      return { type: 'object' }
    case 'literal':
      return { const: schema.literal }
    case 'picklist':
      return { enum: [...(schema.options ?? [])] }
    case 'union':
    case 'variant':
      return { anyOf: (schema.options ?? []).map(option => body(option as Looked, path, describe)) }
    case 'nullable':
      return { anyOf: [{ type: 'null' }, body(schema.wrapped as Looked, path, describe)] }
    case 'exact_optional':
    case 'optional':
      return body(schema.wrapped as Looked, path, describe)
    default:
      throw new TypeError(`no JSON Schema for ${schema.type} at ${path}`)
  }
}

function objectShape(
  entries: Readonly<Record<string, Looked>>,
  at: string,
  describe: (path: string) => string | undefined,
): JsonSchema {
  const members = Object.entries(entries)
  return {
    type: 'object',
    properties: Object.fromEntries(members.map(([name, it]) => [name, convert(it, at + name, describe)])),
    required: members.filter(([, { type }]) => !/optional$/.test(type)).map(([name]) => name),
    additionalProperties: false,
  }
}
