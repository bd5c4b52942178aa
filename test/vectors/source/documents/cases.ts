import type { Bytes } from '../../form.ts'
import type { Kind } from './kind.ts'

/** One payload that is no document: its name, why, its bytes, and whether the schema sees it. */
export type DocumentCase = readonly [
  name: string,
  about: string,
  payload: Bytes | Buffer,
  schema?: 'same' | 'cannot say',
]

export interface DocumentGroup {
  readonly file: string
  readonly kind: Kind
  readonly description: string
  readonly accepted: readonly DocumentCase[]
  readonly refused: readonly DocumentCase[]
}

type Path = readonly (string | number)[]

/** The paths of all objects within a value, its own first. */
export function members(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return []
  const below = Object.entries(value).flatMap(([key, inner]) =>
    members(inner, [...path, Array.isArray(value) ? Number(key) : key]),
  )
  return Array.isArray(value) ? below : [path, ...below]
}

function at(value: unknown, path: Path): Record<string, unknown> {
  return path.reduce((inner, key) => (inner as Record<string | number, unknown>)[key], value) as Record<
    string,
    unknown
  >
}

/** An object of a document with each of its members left out, and with one that nobody knows. */
export function withMember(whole: object, path: Path, optional: readonly string[] = []): DocumentCase[] {
  const name = path.join('.') || 'the document'
  const changed = (change: (object: Record<string, unknown>) => void): string => {
    const copy = structuredClone(whole)
    change(at(copy, path))
    return JSON.stringify(copy)
  }
  const without = Object.keys(at(whole, path))
    .filter(key => !optional.some(one => `${name}.${key}`.endsWith(one)))
    .map((key): DocumentCase => [`${name}: no ${key}`, 'a field is left out', changed(it => delete it[key])])
  return [
    ...without,
    [
      `${name}: an unknown field`,
      'a field that nobody knows',
      changed(it => Object.assign(it, { unknown: 1 })),
    ],
  ]
}
