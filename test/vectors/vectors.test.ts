import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { REASON_CODES } from '../../authorization/index.ts'
import { isValid } from '../schema/validator.ts'
import { answer, expectedOf } from './decide.ts'
import { bytesOf, type DecisionVector, type DocumentVector, type Given, type VectorFile } from './form.ts'
import { generated } from './source/all.ts'
import { jsonValueOf, KINDS, type Kind, refusedAt } from './source/documents/kind.ts'

const directory = import.meta.dirname
const read = (path: string): unknown => JSON.parse(readFileSync(join(directory, path), 'utf8'))
const files = (folder: string): string[] =>
  readdirSync(join(directory, folder)).filter(name => name.endsWith('.json'))

describe('the files of vectors', () => {
  it('are what the generator makes, byte by byte, and nothing else', () => {
    const made = generated()
    for (const [path, content] of made) {
      expect(existsSync(join(directory, path)), path).toBe(true)
      expect(readFileSync(join(directory, path), 'utf8') === content, `${path}: run npm run vectors`).toBe(
        true,
      )
    }
    const there = [...new Set([...made.keys()].map(path => path.split('/')[0] ?? ''))].flatMap(folder =>
      files(folder).map(name => `${folder}/${name}`),
    )
    expect(there.toSorted()).toEqual([...made.keys()].toSorted())
  })
})

const defaults = read('artifact/defaults.json') as Given
const groups = files('artifact')
  .filter(name => name !== 'defaults.json')
  .map(name => [name, (read(`artifact/${name}`) as VectorFile<DecisionVector>).vectors] as const)

describe.each(groups)('decisions: %s', (_, vectors) => {
  it.each(vectors.map(vector => [vector.name, vector] as const))('%s', (_, { given, expect: wanted }) => {
    expect(expectedOf(answer({ ...defaults, ...given }))).toEqual(wanted)
  })
})

it('decisions: no name is given twice in a file, and every reason occurs', () => {
  const seen = new Set<string>()
  for (const [file, vectors] of groups) {
    const names = vectors.map(({ name }) => name)
    expect(new Set(names).size, file).toBe(names.length)
    for (const { expect: wanted } of vectors) for (const { code } of wanted.reasons) seen.add(code)
  }
  expect([...REASON_CODES].filter(code => !seen.has(code))).toEqual([])
})

const FILES: Readonly<Record<string, Kind>> = {
  'statement/fields.json': 'statement',
  'statement/json.json': 'statement',
  'document/trust-roots.json': 'trust-roots',
  'document/revocation.json': 'revocation',
  'document/host-labels.json': 'host-labels',
  'document/policy-bundle.json': 'policy-bundle',
  'document/clearance.json': 'clearance',
}

it('payloads: every file is looked at', () => {
  const there = ['statement', 'document'].flatMap(folder => files(folder).map(name => `${folder}/${name}`))
  expect(there.toSorted()).toEqual(Object.keys(FILES).toSorted())
})

describe.each(Object.entries(FILES))('payloads: %s', (path, kind) => {
  const schema = JSON.parse(readFileSync(join(directory, '../../docs/schema', KINDS[kind].schema), 'utf8'))
  const { vectors } = read(path) as VectorFile<DocumentVector>
  it.each(vectors.map(vector => [vector.name, vector] as const))('%s', (_, vector) => {
    const payload = bytesOf(vector.payload)
    const refused = refusedAt(kind, payload)
    expect(refused === null ? 'accepted' : 'refused').toBe(vector.expect)
    expect(refused?.at).toBe(vector.at)
    const value = jsonValueOf(payload)
    const takes = value === undefined ? null : isValid(schema, value)
    if (vector.schema === 'same') expect(takes).toBe(vector.expect === 'accepted')
    else expect(takes).not.toBe(vector.expect === 'accepted')
  })
})
