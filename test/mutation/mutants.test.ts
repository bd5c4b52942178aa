import { describe, expect, it } from 'vitest'
import { mutated } from './mutant.ts'
import { mutantsOf } from './mutants.ts'

const results = (text: string): string[] => mutantsOf('x.ts', text).map(mutant => mutated(text, mutant))

describe('the mutants of a file', () => {
  it.each([
    ['a condition', 'if (f(a)) g()', ['if (true) g()', 'if (false) g()']],
    [
      'an early return',
      'function f(a) { if (a) { g(); return a }\nreturn b }',
      [
        'if (true) { g(); return a }',
        'if (false) { g(); return a }',
        'if (a) { ; return a }',
        'if (a) { g(); ; }',
      ].map(to => `function f(a) { ${to}\nreturn b }`),
    ],
    ['an edge', 'const a = b < c', ['const a = true', 'const a = false', 'const a = b <= c']],
    ['a number', 'const a = 7', ['const a = (7 + 1)', 'const a = (7 - 1)']],
    [
      'a connective and its parts',
      'const a = b === c && d',
      [
        'const a = true',
        'const a = false',
        'const a = true && d',
        'const a = b === c || d',
        'const a = b === c && true',
      ],
    ],
    ['a table', 'const a = [b, c]', ['const a = [c]', 'const a = [b]']],
    ['a rule of a schema', 'const a = v.pipe(b, c)', ['const a = v.pipe(b)']],
    ['unknown fields', 'const a = v.strictObject({})', ['const a = v.object({})']],
    ['the reasons of a check', 'const a = { reasons: f }', ['const a = { reasons: () => [] }']],
    ['a throw', 'function f() { throw e }', ['function f() { ; }']],
    [
      'all and any',
      'const a = b.map(c => c.every(d))',
      ['true', 'false', 'c.some(d)'].map(to => `const a = b.map(c => ${to})`),
    ],
    ['no words for a person', 'const a = reason(CODE, b ? c : d, at)', []],
    ['no types', 'type A = [b, c]', []],
  ])('%s', (_, text, expected) => {
    expect(results(text).toSorted()).toEqual(expected.toSorted())
  })

  it('know where they are', () => {
    expect(mutantsOf('x.ts', 'const a =\n  !b')).toMatchObject([
      { file: 'x.ts', line: 2, change: '!b → true' },
      { file: 'x.ts', line: 2, change: '!b → false' },
    ])
  })
})
