import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordedReasons } from '../../daemon/recorder.ts'
import { sha256Hex } from '../../encoding/digest.ts'
import { canonicalJson } from '../../encoding/json.ts'
import { SCHEMAS } from '../../lineage/events/schema.ts'
import {
  blobsOf,
  encodeEvent,
  inlineBlob,
  LineageError,
  type LineageEvent,
  MAX_INLINE_BYTES,
  parseEvent,
} from '../../lineage/index.ts'
import { carried, digest, EVENTS } from './support/events.ts'
import { numbered } from './support/log.ts'

function refusal(run: () => unknown): { code: string; at: string | undefined } {
  try {
    run()
  } catch (error) {
    if (error instanceof LineageError) return { code: error.code, at: error.at }
    throw error
  }
  return { code: 'none', at: undefined }
}

const decision = EVENTS.find(event => event.type === 'decision') as LineageEvent & { type: 'decision' }

/** Every pattern in the schema of an event. */
function patternsIn(schema: unknown, found = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return found
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'pattern' && typeof value === 'string') found.add(value)
    else patternsIn(value, found)
  }
  return found
}

describe('events', () => {
  const patterns = Object.values(SCHEMAS).flatMap(({ schema }) => [...patternsIn(schema)])

  it.each([...new Set(patterns)])('write a string that matches %s as it is', pattern => {
    const expression = new RegExp(pattern)
    fc.assert(
      fc.property(fc.stringMatching(expression), fc.nat(), (text, at) => {
        expect(JSON.stringify(text)).toBe(`"${text}"`)
        for (const escaped of ['"', '\\', '\n', '\0', '\u001f', '\ud800', '\udfff']) {
          const i = at % (text.length + 1)
          expect(expression.test(text.slice(0, i) + escaped + text.slice(i + 1))).toBe(false)
          expect(expression.test(text + escaped)).toBe(false)
        }
      }),
      { numRuns: 50 },
    )
  })

  it.each(EVENTS.map(event => [event.type, event]))(
    '%s is written in canonical form and read back',
    (_, event) => {
      const bytes = encodeEvent(event)
      expect(bytes.toString()).toBe(canonicalJson(event))
      expect(canonicalJson(parseEvent(bytes))).toBe(canonicalJson(event))
    },
  )

  it.each(EVENTS.map(event => [event.type, event]))('%s lacks no field and has no other', (_, event) => {
    for (const key of Object.keys(event)) {
      const { [key]: _gone, ...rest } = event as unknown as Record<string, unknown>
      expect(refusal(() => encodeEvent(rest as unknown as LineageEvent))).toEqual({
        code: 'EVENT_INVALID',
        at: key,
      })
    }
    const more = { ...event, extra: 1 } as unknown as LineageEvent
    expect(refusal(() => encodeEvent(more))).toEqual({ code: 'EVENT_INVALID', at: 'extra' })
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['another version', { v: 2 }, 'v'],
    ['an unknown type', { type: 'party' }, 'type'],
    ['a type of the object prototype', { type: 'constructor' }, 'type'],
    ['a local time', { time: '2026-11-21T02:00:00.000+01:00' }, 'time'],
    ['a time without milliseconds', { time: '2026-11-21T02:00:00Z' }, 'time'],
    ['a boot clock that is a number', { bootNs: 5 }, 'bootNs'],
    ['a boot clock with a leading zero', { bootNs: '05' }, 'bootNs'],
    ['an upper-case digest', { record: digest.toUpperCase() }, 'record'],
    ['an unknown outcome', { outcome: 'maybe' }, 'outcome'],
    ['a lone surrogate', { caller: { ...decision.caller, unit: '\ud800' } }, 'caller.unit'],
    ['a uid beyond 32 bits', { caller: { ...decision.caller, uid: 2 ** 32 } }, 'caller.uid'],
    ['minus zero', { caller: { ...decision.caller, pid: -0 } }, 'caller.pid'],
    [
      'a use of zero times',
      { use: { issuer: 'a', id: 'b', maxUses: 0, notAfter: decision.time } },
      'use.maxUses',
    ],
    [
      'an unsafe integer',
      { use: { issuer: 'a', id: 'b', maxUses: 2 ** 53, notAfter: decision.time } },
      'use.maxUses',
    ],
    ['a reason with a small code', { reasons: [{ code: 'x', message: '', at: null }] }, 'reasons.0.code'],
    ['too many inputs', { inputs: Array.from({ length: 65 }, () => digest) }, 'inputs'],
    ['a list that is an object', { inputs: {} }, 'inputs'],
  ])('a decision with %s is refused', (_, change, at) => {
    const event = { ...decision, ...change } as unknown as LineageEvent
    expect(refusal(() => encodeEvent(event))).toEqual({ code: 'EVENT_INVALID', at })
  })

  it('one larger than an entry is refused', () => {
    const message = '\u20ac'.repeat(512)
    const event = {
      ...decision,
      reasons: Array.from({ length: 64 }, () => ({ code: 'XX', message, at: null })),
    }
    expect(refusal(() => encodeEvent(event)).code).toBe('ENTRY_TOO_LARGE')
  })

  it.each([
    ['white space', (text: string) => text.replace(',', ', ')],
    ['another order of keys', (text: string) => text.replace(/^\{("[^,]+),(.*)\}$/, '{$2,$1}')],
    ['an escape that is not needed', (text: string) => text.replace('"permit"', '"perm\\u0069t"')],
    ['a duplicate key', (text: string) => text.replace('{', '{"v":1,')],
    ['a number in another form', (text: string) => text.replace('"v":1', '"v":1.0')],
    ['a newline at the end', (text: string) => `${text}\n`],
  ])('bytes with %s are refused', (_, change) => {
    const text = encodeEvent(decision).toString()
    const changed = change(text)
    expect(changed).not.toBe(text)
    expect(refusal(() => parseEvent(Buffer.from(changed))).code).toBe('EVENT_INVALID')
  })

  it('name the blobs that they refer to', () => {
    expect(blobsOf(decision)).toEqual([digest, 'ef'.repeat(32)])
    const appraisal = EVENTS.find(({ type }) => type === 'appraisal') as LineageEvent
    expect(blobsOf(appraisal)).toEqual([digest, digest, digest, digest, 'cd'.repeat(32)])
    expect(blobsOf(numbered(1))).toEqual([])
  })

  it('give the blobs that they carry, and only as they are named', () => {
    const digest = sha256Hex(carried)
    expect(inlineBlob(decision, digest)).toEqual(carried)
    expect(inlineBlob(decision, 'ef'.repeat(32))).toBeUndefined()
    expect(inlineBlob(decision, 'constructor')).toBeUndefined()
    expect(inlineBlob(numbered(1), digest)).toBeUndefined()
    for (const text of [
      'b3RoZXI=',
      carried.toString('base64').replace('=', ''),
      `${carried.toString('base64')}=`,
    ]) {
      const damaged = { ...decision, inline: { [digest]: text } }
      expect(refusal(() => inlineBlob(damaged, digest)).code).toBe('BLOB_DAMAGED')
    }
  })

  it('have room for as many bytes of blobs as are put into one, beside the longest of everything else', () => {
    const half = 'A'.repeat((MAX_INLINE_BYTES / 2 / 3) * 4)
    const most: LineageEvent = {
      ...decision,
      inputs: Array(64).fill(digest),
      inline: { [digest]: half, ['ef'.repeat(32)]: half },
      reasons: recordedReasons(
        Array(64).fill({ code: 'POLICY_DENIED', message: '€'.repeat(512), at: 'a'.repeat(128) }),
      ),
      caller: { ...decision.caller, cgroup: 'c'.repeat(4096), unit: 'u'.repeat(256) },
      use: {
        issuer: 'i'.repeat(256),
        id: 'i'.repeat(256),
        maxUses: Number.MAX_SAFE_INTEGER,
        notAfter: decision.time,
      },
    }
    expect(parseEvent(encodeEvent(most))).toBeDefined()
  })
})
