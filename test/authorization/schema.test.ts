import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { AuthorizationError } from '../../authorization/error.ts'
import { checkShape, digest, integer, list, orAny } from '../../authorization/schema.ts'

const schema = v.strictObject({
  text: v.string(),
  count: integer(1, 5),
  items: list(v.string(), 2),
  choice: v.picklist(['x', 'y']),
  any: orAny(integer(0, 3)),
  fixed: v.literal('q'),
  digest,
})
const GOOD = { text: '', count: 1, items: [], choice: 'x', any: 'any', fixed: 'q', digest: 'a'.repeat(64) }

function messageOf(change: object): string {
  try {
    checkShape(schema, { ...GOOD, ...change }, 'STATEMENT_MALFORMED')
  } catch (error) {
    if (error instanceof AuthorizationError) return error.message
    throw error
  }
  return 'accepted'
}

describe('what is wrong with a field is said in the document’s words', () => {
  it.each([
    [{}, 'accepted'],
    [{ text: 1 }, 'text: has to be text, not 1'],
    [{ text: ['a'] }, 'text: has to be text, not a list'],
    [{ count: '1' }, 'count: has to be a number, not "1"'],
    [{ count: 1.5 }, 'count: has to be a whole number'],
    [{ count: 0 }, 'count: has to be at least 1'],
    [{ count: 6 }, 'count: has to be at most 5'],
    [{ items: ['1', '2', '3'] }, 'items: has more than 2 items or characters'],
    [{ items: {} }, 'items: has to be a list, not an object'],
    [{ items: ['1', 2] }, 'items[1]: has to be text, not 2'],
    [{ choice: 'z' }, 'choice: has to be one of "x", "y", not "z"'],
    [{ any: 'z' }, 'any: has to be one of "any", a number, not "z"'],
    [{ fixed: 1 }, 'fixed: has to be "q", not 1'],
    [{ digest: 'x' }, 'digest: not a lower-case hexadecimal SHA-256'],
    [{ more: 1 }, 'more: is not a known field'],
  ])('%j', (change, message) => expect(messageOf(change)).toBe(message))

  it('a missing field is said to be missing', () => {
    const { text: _, ...rest } = GOOD
    expect(() => checkShape(schema, rest, 'STATEMENT_MALFORMED')).toThrow('text: is missing')
  })

  it('repeats no more of a value than fits in a line', () => {
    expect(messageOf({ choice: 'z'.repeat(9000) }).length).toBeLessThan(150)
  })
})
