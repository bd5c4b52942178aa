import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EncodingError } from '../../encoding/error.ts'
import { canonicalJson, parseJson } from '../../encoding/json.ts'

function outcome(bytes: Uint8Array): { value: unknown } | { error: EncodingError } {
  try {
    return { value: parseJson(bytes) }
  } catch (error) {
    if (!(error instanceof EncodingError)) throw error
    return { error }
  }
}

/** Text near JSON: its tokens in any order. */
const tokens = fc
  .array(
    fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '"a"',
        '"\\u0061"',
        '\\',
        '0',
        '-',
        '1e9',
        '.5',
        'true',
        'null',
        ' ',
        '\n',
      ],
      ...[
        '\\ud83d',
        '\u0000',
        '"__proto__"',
        '{}',
        '[]',
        '"a":1',
        '99999999999999999999',
        '1e-999',
        '\ufeff',
        'é',
      ],
    ),
    { maxLength: 20 },
  )
  .map(list => Buffer.from(list.join('')))

describe('parseJson on any bytes', () => {
  it('agrees with JSON.parse on what it takes, and takes nothing that JSON.parse refuses', () => {
    fc.assert(
      fc.property(fc.oneof(tokens, fc.uint8Array({ maxLength: 64 })), bytes => {
        const result = outcome(bytes)
        if ('value' in result) {
          const reference: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
          expect(canonicalJson(result.value)).toBe(canonicalJson(reference))
        } else {
          expect(result.error.message).toMatch(/JSON/)
        }
      }),
      { numRuns: 3000 },
    )
  })

  it('reads back whatever JSON.stringify writes within its limits', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5, stringUnit: 'binary' }), text => {
        const result = outcome(Buffer.from(text))
        if ('value' in result) expect(canonicalJson(result.value)).toBe(canonicalJson(JSON.parse(text)))
        else expect(['BAD_NUMBER', 'BAD_JSON']).toContain(result.error.code)
      }),
      { numRuns: 500 },
    )
  })
})
