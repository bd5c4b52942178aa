import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { judgeEventLog, QUIRKS, type QuirkName } from '../../attestation/index.ts'
import { data, digest, honest, of, quote, ZERO } from './quoted-log.ts'
import {
  EV_EFI_VARIABLE_DRIVER_CONFIG,
  EV_IPL,
  EV_NO_ACTION,
  EV_SEPARATOR,
  event,
  extend,
  secureBoot,
  separator,
  startupLocality,
  u32le,
  variable,
} from './tcg-log.ts'

describe('quirks', () => {
  const text = (value: string): Buffer => Buffer.from(value, 'latin1')
  const sha = (value: Uint8Array): Buffer => hash('sha256', value, 'buffer')
  const invoked = sha(text('Exit Boot Services Invocation'))
  const succeeded = sha(text('Exit Boot Services Returned with Success'))
  const failed = sha(text('Exit Boot Services Returned with Failure'))
  const zeros = u32le(0)
  const locality = (value: number): Buffer => {
    const start = Buffer.alloc(32)
    start[31] = value
    return start
  }

  /** For each: a log that only this quirk explains, and what the TPM holds. */
  const CASES: readonly (readonly [QuirkName, string, Buffer[], Record<number, Buffer>])[] = [
    [
      'exit-boot-services-unlogged',
      'success',
      [separator(5)],
      { 5: extend(ZERO, sha(zeros), invoked, succeeded) },
    ],
    [
      'exit-boot-services-unlogged',
      'failure, then success',
      [separator(5)],
      { 5: extend(ZERO, sha(zeros), invoked, failed, succeeded) },
    ],
    [
      'exit-boot-services-unlogged',
      'failure whose invocation is not measured',
      [separator(5)],
      { 5: extend(ZERO, sha(zeros), failed, invoked, succeeded) },
    ],
    [
      'final-events-repeated',
      'two events twice, and one behind them',
      [
        event(4, EV_IPL, text('a')),
        ...[1, 2].flatMap(() => [event(4, EV_IPL, text('b')), event(4, EV_IPL, text('c'))]),
        event(5, EV_IPL, text('d')),
      ],
      { 4: extend(ZERO, sha(text('a')), sha(text('b')), sha(text('c'))), 5: extend(ZERO, sha(text('d'))) },
    ],
    [
      'separator-data-padded',
      'a slot of 50 bytes',
      [event(5, EV_SEPARATOR, Buffer.alloc(50), { digestOf: zeros })],
      { 5: extend(ZERO, sha(zeros)) },
    ],
    [
      'startup-locality-padded',
      'a slot of 50 bytes',
      [
        event(0, EV_NO_ACTION, Buffer.concat([text('StartupLocality\0\x03'), Buffer.alloc(33)])),
        event(0, EV_IPL, data),
      ],
      { 0: extend(locality(3), digest) },
    ],
    ['startup-locality-unlogged', 'locality 3', [event(0, EV_IPL, data)], { 0: extend(locality(3), digest) }],
    ['startup-locality-unlogged', 'locality 4', [event(0, EV_IPL, data)], { 0: extend(locality(4), digest) }],
    [
      'variable-digest-of-value',
      'the value of db',
      [event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('db', data), { digestOf: data })],
      { 7: extend(ZERO, digest) },
    ],
  ]

  it('every one of the table has a case here, a name that says what is wrong, and a source', () => {
    expect(new Set(CASES.map(([name]) => name))).toEqual(new Set(QUIRKS.map(({ name }) => name)))
    for (const { name, what, source } of QUIRKS) {
      expect(name).toMatch(/^[a-z]+(-[a-z]+)+$/)
      expect(what).toMatch(/\.$/)
      expect(source.length).toBeGreaterThan(10)
    }
  })

  it('the table in docs/event-logs.md is that of the code', () => {
    const page = readFileSync(new URL('../../docs/event-logs.md', import.meta.url), 'utf8')
    const rows = page.split('\n').filter(line => /^\| `[a-z]+(-[a-z]+)+` \|/.test(line))
    expect(rows).toEqual(QUIRKS.map(({ name, what, source }) => `| \`${name}\` | ${what} | ${source} |`))
  })

  it.each(CASES)('%s: %s', (name, _, events, values) => {
    const log = of(...events)
    expect(judgeEventLog(log, quote(values)).verdict).toBe('reject')
    const judged = judgeEventLog(log, quote(values), { quirks: [name] })
    expect(judged).toMatchObject({ verdict: 'accept', reasons: [], quirks: [name] })
    // No other quirk explains it, and all together do.
    const others = QUIRKS.map(quirk => quirk.name).filter(other => other !== name)
    expect(judgeEventLog(log, quote(values), { quirks: others }).verdict).toBe('reject')
    expect(judgeEventLog(log, quote(values), { quirks: [...others, name] }).verdict).toBe('accept')
  })

  const all = QUIRKS.map(({ name }) => name)

  it('two at once', () => {
    const values = { 0: extend(locality(3), digest), 5: extend(ZERO, invoked, succeeded) }
    const quirks = ['startup-locality-unlogged', 'exit-boot-services-unlogged'] as const
    const judged = judgeEventLog(of(event(0, EV_IPL, data)), quote(values), { quirks })
    expect(judged).toMatchObject({ verdict: 'accept', quirks, exitBootServices: true, startupLocality: 3 })
  })

  it('none is named where none is needed', () => {
    const log = of(event(4, EV_IPL, data), separator(5))
    expect(judgeEventLog(log, honest(log), { quirks: all })).toMatchObject({ verdict: 'accept', quirks: [] })
  })

  it('none makes another value good', () => {
    const log = of(
      startupLocality(3),
      event(0, EV_IPL, data),
      event(4, EV_IPL, data),
      separator(5),
      secureBoot(0),
    )
    for (const pcr of [0, 4, 5, 7]) {
      const judged = judgeEventLog(log, quote({ [pcr]: Buffer.alloc(32, 7) }), { quirks: all })
      expect(judged.reasons.map(({ code }) => code)).toEqual(['EVENT_LOG_REPLAY_MISMATCH'])
    }
  })

  it('nothing is read from data that a quirk excuses: a name that no digest binds may be any', () => {
    const named = event(7, EV_EFI_VARIABLE_DRIVER_CONFIG, variable('SecureBoot', Buffer.of(1)), {
      digestOf: Buffer.of(1),
    })
    const log = of(named)
    expect(judgeEventLog(log, honest(log), { quirks: all })).toMatchObject({
      verdict: 'accept',
      secureBoot: null,
    })
  })

  it('an excused separator is still the separator: nothing counts behind it, and it comes once', () => {
    const padded = event(7, EV_SEPARATOR, Buffer.alloc(50), { digestOf: zeros })
    const quirks = ['separator-data-padded'] as const
    const behind = of(padded, secureBoot(1))
    expect(judgeEventLog(behind, honest(behind), { quirks }).secureBoot).toBe(null)
    const twice = of(padded, padded)
    expect(judgeEventLog(twice, honest(twice), { quirks }).reasons).toMatchObject([
      { code: 'EVENT_LOG_SEPARATOR' },
    ])
  })

  it('what is not padding is not excused', () => {
    const odd = Buffer.alloc(50)
    odd[49] = 1
    const padded = of(event(7, EV_SEPARATOR, odd, { digestOf: zeros }))
    expect(judgeEventLog(padded, honest(padded), { quirks: all }).reasons.length).toBe(1)
    const late = of(event(0, EV_NO_ACTION, Buffer.concat([text('StartupLocality\0\x03'), odd])))
    expect(judgeEventLog(late, honest(late), { quirks: all }).reasons.length).toBe(1)
  })

  it('a log of repetitions costs a bounded number of replays', () => {
    const log = of(...Array.from({ length: 150 }, () => event(4, EV_IPL, data)))
    const start = performance.now()
    expect(judgeEventLog(log, quote({ 4: digest }), { quirks: all }).verdict).toBe('reject')
    expect(performance.now() - start).toBeLessThan(5_000)
  })
})
