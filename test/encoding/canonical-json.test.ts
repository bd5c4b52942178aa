import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, canonicalJsonBytes, parseJson } from '../../encoding/json.ts'

/** RFC 8785 appendix B: the bits of a double and its text. */
const NUMBERS: [string, string][] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
]

describe('canonicalJson', () => {
  it.each(NUMBERS)('writes the double %s as %s', (bits, text) => {
    expect(canonicalJson(Buffer.from(bits, 'hex').readDoubleBE())).toBe(text)
  })

  it.each(['7fffffffffffffff', '7ff0000000000000', 'fff0000000000000'])('refuses the double %s', bits => {
    expect(() => canonicalJson(Buffer.from(bits, 'hex').readDoubleBE())).toThrow(TypeError)
  })

  it('gives the example of RFC 8785 section 3.2.2', () => {
    const value = {
      // biome-ignore lint/correctness/noPrecisionLoss: the digits of the example, more than a double has.
      numbers: [333333333.33333329, 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('sorts keys as RFC 8785 section 3.2.3 does, by UTF-16 code unit', () => {
    const keys = ['\u20ac', '\r', '\ufb33', '1', '\u{1f600}', '\u0080', '\u00f6']
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33']
    const text = canonicalJson(Object.fromEntries(keys.map(key => [key, 0])))
    expect(text).toBe(`{${sorted.map(key => `${JSON.stringify(key)}:0`).join(',')}}`)
  })

  it('orders keys that look like numbers as text', () => {
    expect(canonicalJson({ 10: 0, 9: 0, a: 0 })).toBe('{"10":0,"9":0,"a":0}')
  })

  it('gives the bytes of the text in UTF-8', () => {
    expect(canonicalJsonBytes({ é: '€' })).toEqual(Buffer.from('{"é":"€"}'))
  })

  it('leaves out members that are undefined', () => {
    expect(canonicalJson({ a: undefined, b: [{ c: undefined }] })).toBe('{"b":[{}]}')
  })

  it.each([
    ['undefined', undefined],
    ['undefined in a list', [undefined]],
    // biome-ignore lint/suspicious/noSparseArray: the hole is the case.
    ['a hole in a list', [1, , 2]],
    ['a bigint', 1n],
    ['a function', () => 0],
    ['a symbol', Symbol('x')],
    ['a Buffer', Buffer.from('x')],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['a lone surrogate', '\ud800'],
    ['a lone surrogate in a key', { '\udc00': 0 }],
  ])('refuses %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError)
  })

  it('does not depend on the order of keys, and is read back as the same value', () => {
    const json = fc.jsonValue({ maxDepth: 4 })
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), json, { maxKeys: 8 }), value => {
        fc.pre(!/(?:\d{16,}|e\+\d+)/.test(JSON.stringify(value)))
        const bytes = canonicalJsonBytes(value)
        expect(canonicalJsonBytes(Object.fromEntries(Object.entries(value).reverse()))).toEqual(bytes)
        expect(canonicalJsonBytes(parseJson(bytes))).toEqual(bytes)
        expect(JSON.parse(bytes.toString())).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { numRuns: 300 },
    )
  })
})
