import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readPastInstant } from '../../cli/instant.ts'
import { entryLine } from '../../cli/lineage/columns.ts'
import { glob, programPattern } from '../../cli/lineage/pattern.ts'
import { displayWidth } from '../../cli/width.ts'
import type { LineageEvent } from '../../lineage/index.ts'

const stop = (cause: string): LineageEvent => ({
  ...{ v: 1, type: 'daemon-stop', time: '2026-11-21T02:00:00.000Z', bootNs: '1', cause },
})

describe('a line', () => {
  test('fits its terminal, whatever the entry says, and has one line', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        fc.integer({ min: 60, max: 200 }),
        (text, columns) => {
          const line = entryLine(7, stop(text), { digits: 4, columns })
          expect(displayWidth(line)).toBeLessThanOrEqual(columns)
          expect(line).toMatch(/^#7 {5}[-0-9: .TZ]+ {2}daemon .*$/u)
        },
      ),
    )
  })

  test('of a narrow terminal has short times, and an ellipsis where it is cut; elsewhere all is there', () => {
    expect(entryLine(7, stop('x'.repeat(90)), { digits: 4, columns: 60 })).toBe(
      `#7     11-21 02:00:00  daemon                           sto…`,
    )
    expect(entryLine(7, stop('x'.repeat(900)), { digits: 4, columns: null })).toContain('x'.repeat(900))
    expect(entryLine(7, stop('東京'), { digits: 4, columns: null })).toContain('東京')
  })
})

describe('times that somebody looks back to', () => {
  const now = Date.parse('2026-11-21T02:00:00.000Z')
  test.each([
    ['now', '2026-11-21T02:00:00.000Z'],
    ['today', '2026-11-21T00:00:00.000Z'],
    ['yesterday', '2026-11-20T00:00:00.000Z'],
    ['90s', '2026-11-21T01:58:30.000Z'],
    ['2h', '2026-11-21T00:00:00.000Z'],
    ['1w', '2026-11-14T02:00:00.000Z'],
    ['2026-11-01', '2026-11-01T00:00:00.000Z'],
    ['2026-11-01T12:00:00+02:00', '2026-11-01T10:00:00.000Z'],
  ])('%s', (text, time) => {
    expect(new Date(readPastInstant(text, '--since', now)).toISOString()).toBe(time)
  })

  test.each(['', '2', 'h', '-2h', '2 h', 'tomorrow', '2026-13-01', '2026-11-01T12:00:00'])('not %j', text => {
    expect(() => readPastInstant(text, '--since', now)).toThrow('--since takes a time')
  })
})

describe('patterns', () => {
  test('are those of shells: a star stops at a slash, two do not, and nothing else means anything', () => {
    const fits = (pattern: string, text: string) => glob(pattern).test(text)
    expect(['/opt/*', '/opt/**', '/opt/a?', '/opt/a.'].map(pattern => fits(pattern, '/opt/ab/c'))).toEqual([
      false,
      true,
      false,
      false,
    ])
    expect([fits('a.b', 'a.b'), fits('a.b', 'axb'), fits('(a)[b]$', '(a)[b]$'), fits('a', 'ba')]).toEqual([
      true,
      false,
      true,
      false,
    ])
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        fc.pre(!/[*?]/.test(text))
        expect(fits(text, text)).toBe(true)
      }),
    )
  })

  test('of a program fit its path, its name or its digest', () => {
    const digest = 'ab'.repeat(32)
    for (const pattern of ['/usr/bin/python3', 'python3', 'py*', '/usr/**', digest, digest.slice(0, 12)])
      expect(programPattern(pattern)('/usr/bin/python3', [digest]), pattern).toBe(true)
    for (const pattern of ['python', 'bin/python3', '/usr/*', digest.slice(0, 11), 'cd'.repeat(32)])
      expect(programPattern(pattern)('/usr/bin/python3', [digest]), pattern).toBe(false)
  })
})
