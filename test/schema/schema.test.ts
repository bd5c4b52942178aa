import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStatement } from '../../authorization/index.ts'
import type { JsonSchema } from '../../authorization/published/json-schema.ts'
import { statement } from '../vectors/source/world.ts'
import { allSchemas, withEventTables } from './published.ts'
import { isValid } from './validator.ts'

const directory = join(import.meta.dirname, '../../docs/schema')
const schemas = allSchemas()
const page = readFileSync(join(import.meta.dirname, '../../docs/artifact.md'), 'utf8')
const schema = schemas.get('authorization-v1.schema.json') as JsonSchema

describe('the published schemas', () => {
  it('are what the code makes of its own, byte by byte', () => {
    expect(
      readdirSync(directory)
        .filter(name => name.endsWith('.schema.json'))
        .toSorted(),
    ).toEqual([...schemas.keys()].toSorted())
    for (const [name, schema] of schemas) {
      const same = readFileSync(join(directory, name), 'utf8') === `${JSON.stringify(schema, null, 2)}\n`
      expect(same, `${name}: run npm run schema`).toBe(true)
    }
  })

  it('say of no object that it may have other fields, and bound every list', () => {
    const walk = (value: unknown): void => {
      if (value === null || typeof value !== 'object') return
      const it = value as JsonSchema
      if (it.type === 'object' && 'properties' in it) expect(it.additionalProperties).toBe(false)
      if (it.type === 'array') expect(it).toHaveProperty('maxItems')
      Object.values(it).forEach(walk)
    }
    for (const schema of schemas.values()) walk(schema)
  })
})

it('docs/lineage.md has the tables of events that the code makes', () => {
  const lineage = readFileSync(join(import.meta.dirname, '../../docs/lineage.md'), 'utf8')
  expect(withEventTables(lineage) === lineage, 'run npm run schema').toBe(true)
})

/** Names of all fields of a schema. */
function names(schema: unknown): Set<string> {
  const out = new Set<string>()
  const walk = (value: unknown): void => {
    if (value === null || typeof value !== 'object') return
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'properties') for (const name of Object.keys(inner)) out.add(name)
      walk(inner)
    }
  }
  walk(schema)
  return out
}

it('docs/artifact.md names every field of an artifact', () => {
  const missing = [...names(schema)].filter(name => !new RegExp(`\`[^\`]*\\b${name}\\b[^\`]*\``).test(page))
  expect(missing).toEqual([])
})

/** Rules of docs/artifact.md that no JSON Schema says; each of these messages is one of the parser's. */
const BEYOND =
  /ends before it begins|not an instant that exists|listed again|listed twice|no subject is named|no path is given|no program|directory|advisory|terminal|cannot be frozen|is longer|bytes|Unicode|surrogate|base64|descriptor/

const RUNS = Number(process.env.WRIT_SCHEMA_RUNS ?? 2000)
type Place = { holder: Record<string | number, unknown>; key: string | number }

function places(value: unknown): Place[] {
  if (value === null || typeof value !== 'object') return []
  const holder = value as Record<string | number, unknown>
  return Object.keys(holder).flatMap(key => [{ holder, key }, ...places(holder[key])])
}

/** Values that one of the rules is about, or none. */
const VALUES = [
  ...[
    0,
    1,
    -1,
    1.5,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 53,
    1e9,
    1e9 + 1,
    true,
    false,
    null,
    'any',
    'none',
    '',
    'own',
    'kill',
  ],
  ...['/', '/a', '/a/', '/a/../b', '//', 'a\n', 'a\0', '\ud800', 'a'.repeat(129), 'x'.repeat(4096), '😀'],
  ...[
    'a'.repeat(64),
    '0'.repeat(32),
    `000b${'0'.repeat(64)}`,
    '2026-11-21T02:00:00.000Z',
    '2026-02-30T02:00:00.000Z',
  ],
  ...['pipe', 'null', 'terminal', 'tree', 'other', 'host', 'allow', 'deny', 'strict'],
  ...[[], ['a'], ['a', 'a'], [1], [1, 1], [0], {}, { any: true }, { any: false }, { freeze: { grace: 1 } }],
]

it('schema and parser agree on statements that are changed in any place', () => {
  let refused = 0
  let beyond = 0
  const change = fc.tuple(fc.nat(), fc.nat(), fc.nat(9))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 2 }), changes => {
      const made = statement()
      for (const [where, what, how] of changes) {
        const all = places(made)
        const { holder, key } = all[where % all.length] as Place
        if (how === 0 && !Array.isArray(holder)) delete holder[key]
        else if (how === 1 && !Array.isArray(holder)) holder.unknown = VALUES[what % VALUES.length]
        else holder[key] = structuredClone(VALUES[what % VALUES.length])
      }
      const text = JSON.stringify(made)
      let message: string | null = null
      try {
        parseStatement(Buffer.from(text))
      } catch (error) {
        message = (error as Error).message
      }
      const takes = isValid(schema, JSON.parse(text))
      if (message === null) expect(takes, text).toBe(true)
      else {
        refused++
        if (takes) {
          beyond++
          expect(message).toMatch(BEYOND)
        }
      }
    }),
    { numRuns: RUNS, seed: 20261121 },
  )
  expect(refused).toBeGreaterThan(RUNS / 2)
  expect(beyond).toBeGreaterThan(0)
})
