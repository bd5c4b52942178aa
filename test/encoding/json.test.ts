import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EncodingError } from '../../encoding/error.ts'
import { checkJsonText, parseJson } from '../../encoding/json.ts'
import { RECORDED_EVIDENCE } from '../support/recorded-evidence.ts'

const parse = (text: string, limits = {}) => parseJson(Buffer.from(text), limits)
const code = (value: string) => expect.objectContaining({ name: 'EncodingError', code: value })

describe('parseJson', () => {
  it('reads every kind of value', () => {
    const text =
      ' {"a":[1,-2.5,3e2,0.1E-1,true,false,null,"x"],"b":{},"c":[],"d":"\\u20ac\\ud83d\\ude00\\"\\\\\\/\\b\\f\\n\\r\\t"} '
    expect(parse(text)).toEqual(JSON.parse(text))
    for (const scalar of [
      '0',
      '"x"',
      'null',
      'true',
      'false',
      '-1',
      '9007199254740991',
      '-9007199254740991',
    ]) {
      expect(parse(scalar)).toEqual(JSON.parse(scalar))
    }
  })

  it('reads larger integers as the nearest double, where that is asked for', () => {
    const large = (text: string) => parseJson(Buffer.from(text), { largeIntegers: true })
    expect(large('18446744073709551615')).toBe(2 ** 64)
    expect(() => large('1e400')).toThrow('out of range')
  })

  it('has one zero', () => {
    for (const zero of ['-0', '-0.0', '0e5', '-0E-3']) expect(Object.is(parse(zero), 0)).toBe(true)
  })

  it.each([
    ['{"a":1,"a":2}', 'DUPLICATE_KEY'],
    ['{"a":1,"\\u0061":2}', 'DUPLICATE_KEY'],
    ['{"b":{"__proto__":1,"__proto__":1}}', 'DUPLICATE_KEY'],
    ['9007199254740992', 'BAD_NUMBER'],
    ['-9007199254740992', 'BAD_NUMBER'],
    ['9007199254740993.5', 'BAD_NUMBER'],
    ['1e400', 'BAD_NUMBER'],
    ['-1e400', 'BAD_NUMBER'],
    ['1e-400', 'BAD_NUMBER'],
    ['NaN', 'BAD_JSON'],
    ['Infinity', 'BAD_JSON'],
    ['-Infinity', 'BAD_JSON'],
    ['01', 'BAD_JSON'],
    ['1.', 'BAD_JSON'],
    ['.5', 'BAD_JSON'],
    ['+1', 'BAD_JSON'],
    ['0x10', 'BAD_JSON'],
    ['-', 'BAD_JSON'],
    ['', 'BAD_JSON'],
    [' ', 'BAD_JSON'],
    ['1 2', 'BAD_JSON'],
    ['nullx', 'BAD_JSON'],
    ['nul', 'BAD_JSON'],
    ['[1,]', 'BAD_JSON'],
    ['[,1]', 'BAD_JSON'],
    ['[1', 'BAD_JSON'],
    ['{"a":1,}', 'BAD_JSON'],
    ['{a:1}', 'BAD_JSON'],
    ["{'a':1}", 'BAD_JSON'],
    ['{"a" 1}', 'BAD_JSON'],
    ['{"a":1', 'BAD_JSON'],
    ['"\\x"', 'BAD_JSON'],
    ['"\\u12"', 'BAD_JSON'],
    ['"\\u12g4"', 'BAD_JSON'],
    ['"\\ud800"', 'BAD_JSON'],
    ['"\\udc00\\ud800"', 'BAD_JSON'],
    ['{"\\ud800":1}', 'BAD_JSON'],
    ['"a\nb"', 'BAD_JSON'],
    ['"a\u0000"', 'BAD_JSON'],
    ['"a', 'BAD_JSON'],
    ['"a\\', 'BAD_JSON'],
    ['/* */ 1', 'BAD_JSON'],
    ['1 // x', 'BAD_JSON'],
    ['\u00a01', 'BAD_JSON'],
    ['\ufeff1', 'BAD_UTF8'],
  ])('refuses %j with %s', (text, expected) => {
    expect(() => parse(text)).toThrow(code(expected))
  })

  it.each([
    ['an overlong slash', '22c0af22'],
    ['a surrogate as UTF-8', '22eda08022'],
    ['a code point past the last', '22f490808022'],
    ['a cut character', '22e282'],
    ['a stray continuation', '228022'],
  ])('refuses %s', (_, hex) => {
    expect(() => parseJson(Buffer.from(hex, 'hex'))).toThrow(code('BAD_UTF8'))
  })

  it('says where the fault is', () => {
    expect(() => parse('{"a":1,"a":2}')).toThrow(expect.objectContaining({ at: '@7' }))
  })

  it('keeps __proto__ an ordinary key', () => {
    const value = parse('{"__proto__":{"polluted":true},"constructor":1}') as Record<string, unknown>
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(value)).toBeNull()
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('bounds depth and size, exactly', () => {
    const nested = (n: number) => '['.repeat(n) + ']'.repeat(n)
    expect(parse(nested(32))).toBeTruthy()
    expect(() => parse(nested(33))).toThrow(code('TOO_DEEP'))
    expect(() => parse('['.repeat(500_000))).toThrow(code('TOO_DEEP'))
    expect(() => parse('{"a":'.repeat(200_000))).toThrow(code('TOO_DEEP'))
    expect(parse('[[]]', { maxDepth: 2, maxBytes: 4 })).toEqual([[]])
    expect(() => parse('[[]] ', { maxBytes: 4 })).toThrow(code('TOO_LARGE'))
  })
})

describe('checkJsonText', () => {
  const check = (text: string) => checkJsonText(Buffer.from(text))

  it('takes what is JSON and means different things to different readers', () => {
    for (const text of [
      '{"a":1,"a":2}',
      '[123e65]',
      '[1E400]',
      '[12345678901234567890]',
      '["\\ud800"]',
      '1e-999',
      '-0',
    ])
      expect(() => check(text), text).not.toThrow()
    expect(() => check('[]'.padStart(400, ' '))).not.toThrow()
    expect(() => check('['.repeat(500) + ']'.repeat(500))).not.toThrow()
  })

  it('refuses what is not', () => {
    for (const text of [
      '',
      '[1,]',
      '{"a":1,}',
      '[01]',
      '[+1]',
      "['a']",
      '["\t"]',
      '["\\x"]',
      '[NaN]',
      'nul',
      '1 2',
      '\ufeff{}',
    ])
      expect(() => check(text), text).toThrow(EncodingError)
    expect(() => checkJsonText(Buffer.from('22ff22', 'hex'))).toThrow(code('BAD_UTF8'))
    expect(() => check('['.repeat(100_000))).toThrow(code('TOO_DEEP'))
  })
})

const fixtures = RECORDED_EVIDENCE
describe.skipIf(fixtures === undefined)('JSONTestSuite (WRIT_FIXTURES)', () => {
  interface Entry {
    path: string
    expected: { json: 'accept' | 'reject' | 'either' }
  }
  const root = fixtures || ''
  const { entries } = fixtures
    ? (JSON.parse(readFileSync(join(root, 'manifest.json'), 'utf8')) as { entries: Entry[] })
    : { entries: [] }
  const cases = entries
    .filter(e => e.path.startsWith('json/JSONTestSuite/'))
    .map(e => [e.path, e.expected.json] as const)
  it.each(cases)('%s: %s', (path, expected) => {
    const bytes = readFileSync(join(root, path))
    let answer = 'accept'
    try {
      parseJson(bytes)
    } catch (error) {
      expect(error).toBeInstanceOf(EncodingError)
      answer = 'reject'
    }
    // Where parsers may differ this one refuses: those texts mean different things to different readers.
    expect(answer).toBe(expected === 'either' ? 'reject' : expected)
  })
})
