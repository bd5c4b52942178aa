import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { JsonSchema } from '../../authorization/published/json-schema.ts'
import { canonicalJsonBytes, type JsonObject } from '../../encoding/json.ts'
import { eventSchema } from '../../lineage/events/published.ts'
import { SCHEMAS } from '../../lineage/events/schema.ts'
import { type LineageEvent, parseEvent } from '../../lineage/index.ts'
import { EVENTS } from '../lineage/support/events.ts'
import { isValid } from './validator.ts'

const kinds = eventSchema().$defs as Record<string, JsonSchema>

/** What a schema cannot say. */
const BEYOND =
  /not bytes in base64|lone surrogate|not a string of at most|not canonical|not in canonical form/

type Place = { holder: Record<string | number, unknown>; key: string | number }

function places(value: unknown): Place[] {
  if (value === null || typeof value !== 'object') return []
  const holder = value as Record<string | number, unknown>
  return Object.keys(holder).flatMap(key => [{ holder, key }, ...places(holder[key])])
}

const VALUES = [
  ...[0, 1, -1, 1.5, 2 ** 32, 2 ** 53, 300, true, false, null, '', 'permit', 'deny', 'a'.repeat(64), '0'],
  ...['A_CODE', 'a code', '2026-11-21T02:00:00.000Z', '2026-11-21T02:00:00Z', 'YQ==', 'YQ', '\ud800'],
  ...[[], ['a'], [1], {}, { a: 1 }, { A_CODE: 1 }, 'x'.repeat(600)],
]

describe('the published schema of events', () => {
  it('has every kind, and takes an example of each', () => {
    expect(Object.keys(kinds)).toEqual(Object.keys(SCHEMAS))
    expect(new Set(EVENTS.map(({ type }) => type))).toEqual(new Set(Object.keys(SCHEMAS)))
    for (const event of EVENTS) expect(isValid(kinds[event.type] as JsonSchema, event), event.type).toBe(true)
  })

  it('says what each field is for', () => {
    for (const [type, { properties }] of Object.entries(kinds))
      for (const [name, field] of Object.entries(properties as Record<string, JsonSchema>))
        expect(field.description, `${type}.${name}`).toMatch(/./)
  })

  it('agrees with the parser on events that are changed in any place', () => {
    let refused = 0
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), fc.nat(9), (which, where, what, how) => {
        const event = structuredClone(EVENTS[which % EVENTS.length] as LineageEvent)
        const all = places(event).filter(
          ({ holder, key }) => !(holder === (event as unknown) && key === 'type'),
        )
        const { holder, key } = all[where % all.length] as Place
        if (how === 0 && !Array.isArray(holder)) delete holder[key]
        else if (how === 1 && !Array.isArray(holder)) holder.unknown = VALUES[what % VALUES.length]
        else holder[key] = structuredClone(VALUES[what % VALUES.length])
        let message: string | null = null
        try {
          parseEvent(canonicalJsonBytes(event as unknown as JsonObject))
        } catch (error) {
          message = (error as Error).message
        }
        const takes = isValid(kinds[event.type] as JsonSchema, event)
        if (message === null) expect(takes, JSON.stringify(event)).toBe(true)
        else {
          refused++
          if (takes) expect(message, JSON.stringify(event)).toMatch(BEYOND)
        }
      }),
      { numRuns: 3000, seed: 20261122 },
    )
    expect(refused).toBeGreaterThan(1000)
  })
})
