import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { REASON_CODES } from '../../authorization/index.ts'
import { answer, expectedOf } from './decide.ts'
import type { DecisionVector, Given, VectorFile } from './form.ts'
import { generated } from './source/all.ts'

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
